"""Series of the Monash forecasting archive, .tsf files (Godahewa et al. 2021, CC BY 4.0).

A file is a header of @attributes and, after @data, one series a line: its attributes and its
values, parted by colons, the values by commas; a question mark is a missing value.
"""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.datasets.hourly import HourlySeries

FILES = {
    "saugeenday": "saugeenday_dataset.tsf.gz",
    "sunspot": "sunspot_dataset_without_missing_values.tsf.gz",
    "us_births": "us_births_dataset.tsf.gz",
    "m4_hourly": "m4_hourly_dataset.tsf.gz",
}
_STEPS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}


@dataclass(frozen=True)
class MonashSeries:
    """One line of a file: values `step` apart from `start` (UTC) on; NaN where missing."""

    name: str
    start: datetime
    step: timedelta
    values: list[float]


# The rows that train, validate and test where the archive fixes a horizon: M4's is 48 hours.
PANEL_ENDS = {"m4_hourly": (604, 700, 748)}


def read_monash(name: str, folder: Path) -> HourlySeries:
    """A file as a table: one channel `value`, or a panel's series by name.

    The series of a panel start when they like and differ in length: each keeps as many of its last
    rows as the shortest has, so that all end together; times are those of the first.
    folder: holds monash_tsf. Raises ValueError when the file is missing, cannot be read or has
    missing values.
    """
    path = folder / "monash_tsf" / FILES[name]
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    return panel(parse_tsf(text, str(path)), str(path))


def panel(found: list[MonashSeries], source: str) -> HourlySeries:
    """Series side by side, aligned at their ends. Raises ValueError where values are missing."""
    for one in found:
        if not all(map(math.isfinite, one.values)):
            raise ValueError(
                f"{source}, {one.name}: values are missing; take the file without missing values"
            )
    if len({one.step for one in found}) > 1 or len({one.name for one in found}) < len(found):
        raise ValueError(f"{source}: series must have one step and a name of their own")
    rows = min(len(one.values) for one in found)
    first = found[0]
    skipped = len(first.values) - rows
    times = [first.start + (skipped + i) * first.step for i in range(rows)]
    names = [one.name for one in found] if len(found) > 1 else ["value"]
    channels = {name: one.values[-rows:] for name, one in zip(names, found, strict=True)}
    return HourlySeries(times, channels)


def parse_tsf(text: str, source: str) -> list[MonashSeries]:
    """Every series of a .tsf text. Raises ValueError naming `source` and the line."""
    attributes: list[str] = []
    step, data, found = None, False, []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if data:
            found.append(_series(line, attributes, step, f"{source}, line {number}"))
        elif words[0] == "@attribute":
            attributes.append(words[1])
        elif words[0] == "@frequency":
            step = _STEPS.get(words[1])
        data = data or words[0] == "@data"
    if not found:
        raise ValueError(f"{source}: no series after @data; a .tsf file is expected")
    return found


def _series(line: str, attributes: list[str], step: timedelta | None, where: str) -> MonashSeries:
    *given, values = line.rsplit(":", len(attributes))
    if len(given) != len(attributes):
        raise ValueError(f"{where}: {len(given)} attributes, {len(attributes)} were declared")
    if step is None:
        raise ValueError(f"{where}: only hourly, daily and weekly series have an even step")
    known = dict(zip(attributes, given, strict=True))
    try:
        start = datetime.strptime(known["start_timestamp"], "%Y-%m-%d %H-%M-%S")
        numbers = [math.nan if v.strip() == "?" else float(v) for v in values.split(",")]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
    return MonashSeries(known.get("series_name", where), start.replace(tzinfo=UTC), step, numbers)
