"""Users' files: every fault is repaired in words or refused in words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.datasets.user_series import UserFile, read_user_series


def frame(rows: int = 200, step: str = "h", start: str = "2024-01-01") -> pd.DataFrame:
    values = np.sin(np.arange(rows) * 2 * np.pi / 24)
    return pd.DataFrame({"time": pd.date_range(start, periods=rows, freq=step), "load": values})


def read(tmp_path: Path, table: pd.DataFrame, **given: object) -> UserFile:
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    return read_user_series(path, "load", **given)


def test_a_clean_file_is_left_alone(tmp_path: Path) -> None:
    found = read(tmp_path, frame())
    [one] = found.series
    assert found.repairs == []
    assert one.clock.season == 24
    np.testing.assert_allclose(one.values, frame()["load"])
    assert str(one.time(200)) == "2024-01-09 08:00:00"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t.drop(index=range(50, 55)), "5 missing steps were interpolated"),
        (lambda t: t.assign(load=t["load"].where(t.index != 9)), "1 missing steps"),
        (lambda t: t.assign(load=t["load"].where(t.index != 9, np.inf)), "1 missing steps"),
        (lambda t: t.sample(frac=1, random_state=0), "not in the order of time; sorted"),
        (lambda t: pd.concat([t, t.iloc[3:5]]), "2 rows repeat a time"),
        (lambda t: t.drop(index=range(20, 80)), "only the 120 rows after the last"),
        (lambda t: t[["load"]], "no column of times"),
    ],
    ids=["missing-times", "nan", "infinite", "unsorted", "duplicates", "long-gap", "no-times"],
)
def test_repairs_are_told(tmp_path: Path, spoil, told: str) -> None:
    found = read(tmp_path, spoil(frame()))
    assert any(told in repair for repair in found.repairs)
    assert np.isfinite(found.series[0].values).all()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda t: t.assign(load=5.0), r"load is constant \(5\)"),
        (lambda t: t.iloc[:12], "12 rows are too few; at least 20"),
        (lambda t: pd.concat([t.iloc[:60], t.iloc[60::24]]), "mixed frequencies"),
        (lambda t: t.astype({"load": str}).replace({"load": {"0.0": "low"}}), "'low' is not a num"),
        (lambda t: t.assign(time="soon"), "row 2: time 'soon' is not a time"),
        (lambda t: t.rename(columns={"load": "Load"}), "no column 'load', did you mean Load"),
        (lambda t: t.assign(load=np.nan), "no value at all"),
        (lambda t: pd.concat([t, t, t]), "occurs about 3 times.*--group"),
        (lambda t: t.iloc[:0], "no rows"),
    ],
    ids=[
        "constant", "short", "mixed", "text", "bad-time", "no-column", "empty-column", "groups",
        "empty",
    ],
)  # fmt: skip
def test_faults_are_refused_in_words(tmp_path: Path, spoil, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(tmp_path, spoil(frame()), rows=20)


@pytest.mark.parametrize(
    ("step", "season", "next_time"),
    [
        ("ME", 12, "2040-09-30 00:00:00"),
        ("MS", 12, "2040-09-01 00:00:00"),
        ("B", 5, "2024-10-07 00:00:00"),
        ("D", 7, "2024-07-19 00:00:00"),
        ("15min", 96, "2024-01-03 02:00:00"),
    ],
)
def test_clocks_go_on(tmp_path: Path, step: str, season: int, next_time: str) -> None:
    [one] = read(tmp_path, frame(step=step)).series
    assert one.clock.season == season
    assert str(one.time(200)) == next_time


def test_groups_that_cannot_be_used_are_set_aside(tmp_path: Path) -> None:
    table = pd.concat([frame().assign(site="a"), frame(5).assign(site="b")])
    found = read(tmp_path, table, group="site", rows=20)
    assert [one.group for one in found.series] == ["a"]
    assert found.set_aside[0][0] == "b"


def test_covariates_go_on_into_the_future(tmp_path: Path) -> None:
    table = frame().assign(heat=np.arange(200.0))
    table.loc[190:, "load"] = np.nan
    [one] = read(tmp_path, table, covariates=["heat"]).series
    assert len(one.values) == 190
    np.testing.assert_array_equal(one.covariates[:, 0], np.arange(200.0))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_user_series(tmp_path / "none.csv", "load")
