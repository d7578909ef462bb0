"""Hourly temperatures of Seattle and San Francisco, 2010, out of the PyPI package vega-datasets.

The files hold NOAA's hourly climate *normals* (averages over thirty years, stamped 2010): public
domain, in degrees Fahrenheit to one decimal, smoother than any single year's weather. They are
read as plain files; the package itself, and pandas with it, is never imported.
"""

import csv
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path

# data set -> channel -> file inside the package
DATASETS: Mapping[str, Mapping[str, str]] = {
    "seattle_temps": {"temperature": "seattle-temps.csv"},
    "sf_temps": {"temperature": "sf-temps.csv"},
    "west_coast_temps": {"seattle": "seattle-temps.csv", "san_francisco": "sf-temps.csv"},
}

# The stamps are Pacific standard time all year: the daily curve does not jump in March.
_PACIFIC = timezone(timedelta(hours=-8))
_HOUR = timedelta(hours=1)
_FORMATS = ("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")


@dataclass(frozen=True)
class HourlySeries:
    """One hour a row without gaps: `times` in UTC, `channels` name -> values of the same length."""

    times: list[datetime]
    channels: dict[str, list[float]]


def hourly_temperatures(dataset: str) -> HourlySeries:
    """The named data set, 8,760 hours a channel, in degrees Fahrenheit.

    The files lack one row, 2010-03-14 03:00 (a clock change that the station never made); it is
    the mean of its two neighbours here. Raises ValueError for an unknown name, an unreadable value
    and any longer gap, FileNotFoundError when vega-datasets is not installed.
    """
    columns = {channel: _read(file) for channel, file in _files(dataset).items()}
    times = next(iter(columns.values()))[0]
    if any(other != times for other, _ in columns.values()):
        raise ValueError(f"data set {dataset}: its channels must cover the same hours")
    return HourlySeries(times, {channel: values for channel, (_, values) in columns.items()})


def hourly_temperatures_digest(dataset: str) -> str:
    """sha256 of the files behind a data set: it changes when the installed package's data do."""
    content = b"".join(_content(file) for file in _files(dataset).values())
    return hashlib.sha256(content).hexdigest()


def _files(dataset: str) -> Mapping[str, str]:
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set {dataset!r}: choose one of {', '.join(DATASETS)}")
    return DATASETS[dataset]


def _content(file: str) -> bytes:
    try:
        package = distribution("vega-datasets")
    except PackageNotFoundError as error:
        raise FileNotFoundError(f"{file} needs the package vega-datasets; install it") from error
    return Path(str(package.locate_file(f"vega_datasets/_data/{file}"))).read_bytes()


def _read(file: str) -> tuple[list[datetime], list[float]]:
    return parse_hourly(_content(file).decode(), file)


def parse_hourly(text: str, source: str) -> tuple[list[datetime], list[float]]:
    """Times (UTC) and values of a CSV text with columns `date` and `temp`, single gaps filled.

    Raises ValueError that names `source` and the line for a bad value, a missing column, hours
    out of order, or a gap of more than one hour.
    """
    rows = csv.DictReader(text.splitlines())
    if not {"date", "temp"} <= set(rows.fieldnames or ()):
        raise ValueError(f"{source}: needs the columns date and temp, has {rows.fieldnames}")
    readings = [_reading(row, f"{source}, line {line}") for line, row in enumerate(rows, start=2)]
    if not readings:
        raise ValueError(f"{source}: no rows; at least one reading is needed")
    times, values = [readings[0][0]], [readings[0][1]]
    for (before, low), (after, high) in pairwise(readings):
        step = after - before
        if step not in (_HOUR, 2 * _HOUR):
            raise ValueError(f"{source}: {step} between {before} and {after}; hourly rows expected")
        if step == 2 * _HOUR:
            times.append(before + _HOUR)
            values.append((low + high) / 2)
        times.append(after)
        values.append(high)
    return times, values


def _reading(row: Mapping[str, str], where: str) -> tuple[datetime, float]:
    try:
        value = float(row["temp"])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: temp {row['temp']!r} is not a finite number")
    for form in _FORMATS:
        try:
            local = datetime.strptime(row["date"], form).replace(tzinfo=_PACIFIC)
        except (TypeError, ValueError):
            continue
        return local.astimezone(UTC), value
    raise ValueError(f"{where}: date {row['date']!r} is not of the form 2010/01/31 23:00")
