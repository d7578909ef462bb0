"""Monash's .tsf files: single series, panels aligned at their ends, and what is refused."""

import gzip
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.datasets.monash import FILES, PANEL_ENDS, panel, parse_tsf, read_monash
from data.datasets.series import read_series, rows_of_published_split, series_digest

HEAD = """# a comment
@relation Tiny
@attribute series_name string
@attribute start_timestamp date
@frequency daily
@data
"""
TWO = HEAD + "A:2020-01-01 00-00-00:1,2,3,4\nB:2021-05-01 06-00-00:5,6.5,-7\n"


def write(folder: Path, name: str, text: str) -> None:
    (folder / "monash_tsf").mkdir(exist_ok=True)
    (folder / "monash_tsf" / FILES[name]).write_bytes(gzip.compress(text.encode()))


def test_series_of_a_text() -> None:
    first, second = parse_tsf(TWO + "C:2021-05-01 06-00-00:1,?\n", "tiny.tsf")[:2]
    assert (first.name, first.step, first.values) == ("A", timedelta(days=1), [1, 2, 3, 4])
    assert second.start == datetime(2021, 5, 1, 6, tzinfo=UTC)
    assert second.values == [5, 6.5, -7]
    assert math.isnan(parse_tsf(HEAD + "C:2021-05-01 06-00-00:1,?\n", "x")[0].values[1])


def test_one_series_is_a_channel_called_value(tmp_path: Path) -> None:
    write(tmp_path, "sunspot", HEAD + "T1:2020-01-01 00-00-00:1,2,3\n")
    found = read_monash("sunspot", tmp_path)
    assert found.channels == {"value": [1, 2, 3]}
    assert found.times == [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3)]


def test_series_of_a_panel_end_together(tmp_path: Path) -> None:
    write(tmp_path, "m4_hourly", TWO)
    found = read_series("m4_hourly", str(tmp_path))
    assert found.channels == {"A": [2, 3, 4], "B": [5, 6.5, -7]}
    assert found.times[0] == datetime(2020, 1, 2, tzinfo=UTC)
    before = series_digest("m4_hourly", str(tmp_path))
    write(tmp_path, "m4_hourly", TWO.replace("-7", "-8"))
    assert series_digest("m4_hourly", str(tmp_path)) != before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(HEAD, "no series after @data", id="empty"),
        pytest.param(HEAD + "A:1,2\n", "line 7: 1 attributes, 2 were declared", id="attributes"),
        pytest.param(HEAD + "A:2020-01-01 00-00-00:1,b\n", "line 7: could not", id="no-number"),
        pytest.param(HEAD + "A:yesterday:1,2\n", "line 7: time data", id="no-time"),
        pytest.param(
            HEAD.replace("daily", "monthly") + "A:2020-01-01 00-00-00:1\n",
            "line 7: only hourly, daily and weekly",
            id="uneven-step",
        ),
        pytest.param(HEAD + "A:2020-01-01 00-00-00:1,?\n", "A: values are missing", id="missing"),
        pytest.param(TWO.replace("B:", "A:"), "a name of their own", id="names-repeat"),
    ],
)
def test_bad_files_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        panel(parse_tsf(text, "tiny.tsf"), "tiny.tsf")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"us_births_dataset.tsf.gz: cannot be read"):
        read_monash("us_births", tmp_path)
    write(tmp_path, "us_births", "")
    (tmp_path / "monash_tsf" / FILES["us_births"]).write_bytes(b"no gzip")
    with pytest.raises(ValueError, match=r"us_births_dataset.tsf.gz: cannot be read"):
        read_monash("us_births", tmp_path)


@pytest.mark.shared
def test_the_published_files(shared_datasets: Path) -> None:
    sizes = {"saugeenday": 23741, "sunspot": 73924, "us_births": 7305}
    for name, rows in sizes.items():
        found = read_monash(name, shared_datasets)
        assert (list(found.channels), len(found.times)) == (["value"], rows)
    hourly = read_monash("m4_hourly", shared_datasets)
    assert len(hourly.channels) == 414
    assert {len(values) for values in hourly.channels.values()} == {len(hourly.times)}
    assert rows_of_published_split("m4_hourly") == PANEL_ENDS["m4_hourly"]
    assert PANEL_ENDS["m4_hourly"][2] == len(hourly.times) == 748
