"""Labelled series in .ts form: read as published, refused in one sentence that names the line."""

from importlib.util import find_spec

import pytest

from data.datasets.labelled import LABELLED, labelled_digest, parse_ts, read_labelled

HEAD = "# words\n@problemName Tiny\n@univariate false\n@classLabel true a b\n@data\n"


def test_series_of_unequal_length() -> None:
    found = parse_ts(HEAD + "1,2,3:4,5,6:a\n\n7,8:9,-1e1: b \n", "tiny.ts")
    assert found.series == [[[1, 2, 3], [4, 5, 6]], [[7, 8], [9, -10]]]
    assert found.labels == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(HEAD + "1,x:2,3:a\n", "tiny.ts, line 6: could not convert", id="no-number"),
        pytest.param(HEAD + "1,?:2,3:a\n", "line 6", id="missing"),
        pytest.param(HEAD + "1,nan:2,3:a\n", "line 6: a value is missing", id="not-finite"),
        pytest.param(HEAD + "1,2:2,3,4:a\n", "of one length within", id="ragged-channels"),
        pytest.param(HEAD + "1:2:a\n1:2:3:b\n", "line 7: 3 channels, 2 before", id="channels"),
        pytest.param(HEAD, "no labelled series", id="empty"),
        pytest.param("@classLabel false\n@data\n1:2\n", "no labelled series", id="no-labels"),
    ],
)
def test_bad_files_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_ts(text, "tiny.ts")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown data set 'Vowels': choose one of Japanese"):
        read_labelled("Vowels")


@pytest.mark.skipif(find_spec("sktime") is None, reason="the series lie in the package sktime")
@pytest.mark.parametrize("name", LABELLED)
def test_the_published_series(name: str) -> None:
    sizes = {
        "JapaneseVowels": (270, 370, 12, 9),
        "BasicMotions": (40, 40, 6, 4),
        "ItalyPowerDemand": (67, 1029, 1, 2),
        "GunPoint": (50, 150, 1, 2),
        "ArrowHead": (36, 175, 1, 3),
        "OSULeaf": (200, 242, 1, 6),
    }
    train, test = read_labelled(name)
    found = (len(train.series), len(test.series), len(test.series[0]), len(set(train.labels)))
    assert found == sizes[name]
    assert set(test.labels) <= set(train.labels)
    assert len(labelled_digest(name)) == 64


@pytest.mark.skipif(find_spec("sktime") is not None, reason="sktime is installed")
def test_without_the_package_the_way_to_it_is_told() -> None:
    with pytest.raises(ValueError, match="GunPoint lies in the package sktime: install it"):
        read_labelled("GunPoint")
