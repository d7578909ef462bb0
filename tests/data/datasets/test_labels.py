"""Labels of a user: the file's form, and documents by their short names."""

from pathlib import Path

import pytest

from data.datasets.labels import Label, matched, read_labels

HEAD = "doc_id,attribute,value\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text, "utf-8")
    return path


def test_empty_values_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + HEAD + 'a,Name," Ada, Park "\na,Age,\nb,Name,"x\ny"\n')
    assert read_labels(path) == [
        Label("a", "Name", "Ada, Park"),
        Label("a", "Age", None),
        Label("b", "Name", "x\ny"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("document,attribute,value\n", "first line must be", id="columns"),
        pytest.param("", "first line must be", id="empty"),
        pytest.param(HEAD, "no labels", id="head-alone"),
        pytest.param(HEAD + ",Name,x\n", "line 2: doc_id or attribute is empty", id="no-name"),
        pytest.param(HEAD + "a,N,x\na,N,y\n", "line 3: N of a is labelled twice", id="twice"),
    ],
)
def test_files_that_are_no_labels(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_labels(written(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_labels(tmp_path / "no.csv")


def test_short_names_where_they_are_clear() -> None:
    labels = [Label(name, "a", "x") for name in ("p/k1.txt", "k2.txt", "k3", "k4", "k5")]
    there = matched(labels, ["p/k1.txt", "q/k2.txt", "q/k3.md", "p/k4.txt", "q/k4.txt"])
    assert [label.doc_id for label in there] == ["p/k1.txt", "q/k2.txt", "q/k3.md"]
