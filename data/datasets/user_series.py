"""Anybody's series out of a CSV or Parquet file: checked, and repaired where that is safe.

Every repair is told in words. What cannot be repaired without guessing raises ValueError, which
names the file, the column and the place, and says what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.datasets.clock import Clock, clock_of

Array = NDArray[np.float64]

_TIME_NAMES = ("time", "timestamp", "date", "datetime", "ds", "day", "month", "hour")
_MOST_FILLED = 0.3  # share of the steps; beyond it the file says more about the filling than itself
_MOST_REPEATS = 0.5  # share of rows whose time occurs before: several series, no slips


class _Wanted(NamedTuple):
    """What of a table is asked for."""

    target: str
    covariates: list[str]
    time: str | None
    rows: int  # fewest a series may have
    grouped: bool


@dataclass(frozen=True)
class UserSeries:
    """One evenly spaced series: values (T,), whether each was filled in, covariates (T + F, K).

    The covariates go on for the F steps after the last value that the file knows them for.
    """

    group: str
    clock: Clock
    values: Array
    filled: NDArray[np.bool_]
    covariates: Array
    first: int = 0  # steps of the clock before the first value

    def time(self, row: int) -> datetime | None:
        """The stamp of a row, 0 the first value; rows past the end lie in the future."""
        return self.clock.time(self.first + row)


@dataclass(frozen=True)
class UserFile:
    """The series of a file, what was repaired, and the groups set aside with the reason."""

    series: list[UserSeries]
    repairs: list[str]
    set_aside: list[tuple[str, str]] = field(default_factory=list)


def read_user_series(
    path: Path,
    target: str,
    *,
    time: str | None = None,
    group: str | None = None,
    covariates: Sequence[str] = (),
    rows: int = 3,
) -> UserFile:
    """The series of column `target`, one a value of column `group`.

    time: column of time stamps; if not given, one with a usual name, else rows are only counted.
    covariates: numeric columns. rows: fewest rows a series may have.
    """
    frame = _read(path)
    chosen = time or _time_column(frame, {target, *covariates})
    for column in (target, *([time] if time else ()), *([group] if group else ()), *covariates):
        _check_column(frame, column, path)
    repairs: list[str] = []
    if chosen is None:
        repairs.append("no column of times: rows are taken as evenly spaced, in the file's order")
    table = pd.DataFrame(
        {name: _numbers(frame, name, path) for name in (target, *covariates)}, index=frame.index
    )
    table["time"] = _stamps(frame, chosen, path) if chosen else np.arange(len(frame))
    names = frame[group].astype(str) if group else pd.Series("", index=frame.index)
    wanted = _Wanted(target, list(covariates), chosen, rows, bool(group))
    series, set_aside = [], []
    for name, part in table.groupby(names, sort=True):
        where = f"{path.name}, {group} {name}" if group else path.name
        try:
            one, told = _one(part, wanted, str(name), where)
        except ValueError as error:
            if not group:
                raise
            set_aside.append((str(name), str(error)))
        else:
            series.append(one)
            repairs += told
    if not series:
        raise ValueError(f"no series can be forecast; the first: {set_aside[0][1]}")
    if len({one.clock.words for one in series}) > 1:
        steps = ", ".join(sorted({one.clock.words for one in series}))
        raise ValueError(f"{path.name}: groups of mixed frequencies (a {steps}): split the file")
    return UserFile(series, repairs, set_aside)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give a .csv or .parquet file")
    try:
        match path.suffix.lower():
            case ".parquet" | ".pq":
                frame = pd.read_parquet(path)
            case ".tsv":
                frame = pd.read_csv(path, sep="\t")
            case _:
                frame = pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read as a table ({reason})") from error
    if frame.empty:
        raise ValueError(f"{path}: it has no rows")
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame.reset_index(drop=True)


def _check_column(frame: pd.DataFrame, column: str, path: Path) -> None:
    if column not in frame.columns:
        close = difflib.get_close_matches(column, list(frame.columns), n=1)
        hint = f", did you mean {close[0]}?" if close else ""
        raise ValueError(
            f"{path}: no column {column!r}{hint} It has {', '.join(map(str, frame.columns))}"
        )


def _time_column(frame: pd.DataFrame, taken: set[str]) -> str | None:
    for name in frame.columns:
        if name not in taken and (
            pd.api.types.is_datetime64_any_dtype(frame[name]) or name.lower() in _TIME_NAMES
        ):
            return str(name)
    return None


def _numbers(frame: pd.DataFrame, column: str, path: Path) -> Array:
    """The column as floats; what is empty or not finite is NaN."""
    given = frame[column]
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(float, na_value=np.nan)
    empty = given.isna() | given.astype(str).str.strip().isin(["", "NA", "NaN", "nan", "null"])
    wrong = np.isnan(numbers) & ~empty.to_numpy()
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{path}, row {at + 2}: {column} {str(given.iloc[at])!r} is not a number; "
            f"{int(wrong.sum())} such rows"
        )
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _stamps(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """The column as times without a zone (those with one in UTC)."""
    given = frame[column]
    if pd.api.types.is_numeric_dtype(given):
        raise ValueError(
            f"{path}: {column} holds numbers; times are expected, as in 2026-01-31 23:00"
        )
    stamps = pd.to_datetime(given, errors="coerce", format="mixed", utc=True).dt.tz_localize(None)
    if stamps.isna().any():
        at = int(np.flatnonzero(stamps.isna())[0])
        raise ValueError(
            f"{path}, row {at + 2}: {column} {str(given.iloc[at])!r} is not a time; "
            f"{int(stamps.isna().sum())} such rows. Write times as in 2026-01-31 23:00"
        )
    return stamps


def _one(
    part: pd.DataFrame, wanted: _Wanted, group: str, where: str
) -> tuple[UserSeries, list[str]]:
    """One series on its grid, and what was repaired."""
    target, covariates, time, rows = wanted[:4]
    told = []
    if not part["time"].is_monotonic_increasing:
        part = part.sort_values("time", kind="stable")
        told.append(f"{where}: rows were not in the order of {time}; sorted")
    repeats = int(part["time"].duplicated().sum())
    if repeats:
        if repeats / len(part) > _MOST_REPEATS and not wanted.grouped:
            raise ValueError(
                f"{where}: every time occurs about {len(part) / (len(part) - repeats):.0f} times; "
                "if the file holds several series, name the column that parts them with --group"
            )
        part = part.groupby("time", as_index=False).mean()
        told.append(f"{where}: {repeats} rows repeat a time; their values were averaged")
    if time is None:
        clock, at = Clock("rows"), np.arange(len(part))
    else:
        stamps = pd.DatetimeIndex(part["time"])
        clock = clock_of(stamps, where)
        at = np.round(clock.position(stamps)).astype(int)
        part, at = part[np.r_[True, np.diff(at) > 0]], at[np.r_[True, np.diff(at) > 0]]
    grid = pd.DataFrame(np.nan, index=np.arange(at[-1] + 1), columns=[target, *covariates])
    grid.loc[at, [target, *covariates]] = part[[target, *covariates]].to_numpy()
    known = np.flatnonzero(grid[target].notna())
    if not len(known):
        raise ValueError(f"{where}: {target} has no value at all")
    last = int(known[-1]) + 1
    future = grid[covariates].iloc[last:].dropna()
    values, more = _after_gaps(grid[target].to_numpy()[known[0] : last], clock, where)
    filled = np.isnan(values)
    if filled.any():
        values = np.interp(np.arange(len(values)), np.flatnonzero(~filled), values[~filled])
        more.append(f"{where}: {int(filled.sum())} missing steps were interpolated")
    if len(values) < rows:
        raise ValueError(
            f"{where}: {len(values)} rows are too few; at least {rows} are needed for this horizon"
        )
    if np.ptp(values) <= 1e-9 * max(float(np.abs(values).max()), 1.0):
        raise ValueError(
            f"{where}: {target} is constant ({values[0]:g}): every forecast would be that value"
        )
    beside = grid[covariates].iloc[last - len(values) : last].interpolate(limit_direction="both")
    regressors = np.concatenate((beside.to_numpy(float), future.to_numpy(float)))
    if np.isnan(regressors).any():
        raise ValueError(f"{where}: a covariate has no values beside those of {target}")
    return UserSeries(group, clock, values, filled, regressors, last - len(values)), told + more


def _after_gaps(values: Array, clock: Clock, where: str) -> tuple[Array, list[str]]:
    """What follows the last gap that is too long to be filled; shorter gaps stay NaN."""
    longest = max(clock.season, 3)
    edges = np.flatnonzero(np.diff(np.r_[0, np.isnan(values).astype(int), 0])).reshape(-1, 2)
    long = edges[edges[:, 1] - edges[:, 0] > longest]  # first and last-plus-one row of each
    told = []
    if len(long):
        begin, end = long[-1]
        values = values[end:]
        told.append(
            f"{where}: {len(long)} gaps are longer than {longest} steps; only the {len(values)} "
            f"rows after the last of them, {end - begin} steps long, are used"
        )
    missing = float(np.isnan(values).mean())
    if missing > _MOST_FILLED:
        raise ValueError(
            f"{where}: {missing:.0%} of the steps of a {clock.words} are missing; at most "
            f"{_MOST_FILLED:.0%} can be filled. Resample the series to a longer step"
        )
    return values, told
