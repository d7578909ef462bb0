"""The steps of a series: from time stamps to whole numbers of steps, and on into the future."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Steps a season: the most telling period that is common for series of this step.
_SEASONS = {
    "1min": 60,
    "5min": 288,
    "10min": 144,
    "15min": 96,
    "30min": 48,
    "1h": 24,
    "1D": 7,
    "7D": 52,
}
_OFF_GRID = 0.01  # share of stamps beside the grid that is put down to jitter
_LONGEST_MONTH = pd.Timedelta(days=31)


@dataclass(frozen=True)
class Clock:
    """Evenly spaced steps: a fixed time, months, business days, or rows that are only counted."""

    kind: Literal["fixed", "months", "business days", "rows"]
    start: datetime | None = None  # of step 0
    step: timedelta = timedelta(0)  # of a fixed clock
    months: int = 1  # a step, of a clock of months
    month_end: bool = False

    @property
    def words(self) -> str:
        """A step in words."""
        match self.kind:
            case "fixed":
                return _words(self.step)
            case "months":
                return "month" if self.months == 1 else f"{self.months} months"
            case "business days":
                return "business day"
        return "row"

    @property
    def season(self) -> int:
        """Steps after which series of this step commonly repeat; 1 where nothing is known."""
        match self.kind:
            case "fixed":
                named = {pd.Timedelta(text): season for text, season in _SEASONS.items()}
                return named.get(pd.Timedelta(self.step), 1)
            case "months":
                return max(12 // self.months, 1)
            case "business days":
                return 5
        return 1

    def position(self, stamps: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Steps since the start, whole where a stamp lies on the grid."""
        start = stamps[0] if self.start is None else pd.Timestamp(self.start)
        if self.kind == "months":
            months = (stamps.year - start.year) * 12 + stamps.month - start.month
            return np.asarray(months, float) / self.months
        if self.kind == "business days":
            days = stamps.normalize().to_numpy().astype("datetime64[D]")
            first = start.to_datetime64().astype("datetime64[D]")
            return np.busday_count(first, days).astype(float)
        return np.asarray((stamps - start) / self.step, float)

    def time(self, position: int) -> datetime | None:
        """The stamp of a step; None where rows are only counted."""
        if self.start is None:
            return None
        start = pd.Timestamp(self.start)
        match self.kind:
            case "months":
                found = start + pd.DateOffset(months=position * self.months)
                found = found + pd.offsets.MonthEnd(0) if self.month_end else found
            case "business days":
                day = np.busday_offset(start.to_datetime64().astype("datetime64[D]"), position)
                found = pd.Timestamp(day) + (start - start.normalize())
            case _:
                found = start + position * self.step
        return found.to_pydatetime()


def clock_of(stamps: pd.DatetimeIndex, where: str) -> Clock:
    """The clock of sorted, distinct stamps.

    Raises ValueError naming the place when they follow no single step (mixed frequencies).
    """
    start = stamps[0].to_pydatetime()
    if len(stamps) < 3:
        raise ValueError(f"{where}: {len(stamps)} distinct times are too few to see a step")
    steps = stamps[1:] - stamps[:-1]
    common = pd.Timedelta(pd.Series(steps).mode().iloc[0])
    if _are_months(stamps, common):
        month_end = bool(stamps.is_month_end.all() and stamps[0].day > 27)
        numbers = stamps.year * 12 + stamps.month
        months = int(pd.Series(np.diff(numbers)).mode().min())
        return Clock("months", start, months=months, month_end=month_end)
    if common == pd.Timedelta(days=1) and len(stamps) > 10 and (stamps.day_of_week < 5).all():
        return Clock("business days", start)
    clock = Clock("fixed", start, step=common)
    off = clock.position(stamps)
    beside = np.abs(off - np.round(off)) > 0.05
    rows = len(stamps) / (round(float(off[-1])) + 1)
    if beside.mean() > _OFF_GRID or rows < 0.5:
        counts = pd.Series(steps).value_counts().head(3)
        shown = ", ".join(
            f"{_words(pd.Timedelta(step))} ({count} times)"
            for step, count in zip(counts.index, counts, strict=True)
        )
        first = stamps[1:][steps != common][0]
        raise ValueError(
            f"{where}: mixed frequencies: steps of {shown}, the first change at {first}; "
            "resample the series to one step"
        )
    return clock


def _are_months(stamps: pd.DatetimeIndex, common: pd.Timedelta) -> bool:
    """One stamp a month, or every few months, on the same day or the last."""
    if common < pd.Timedelta(days=28) or len(set(stamps.to_period("M"))) < len(stamps):
        return False
    same = len(set(stamps.day)) == 1 or bool(stamps.is_month_end.all())
    return same and (stamps[1:] - stamps[:-1]).max() >= min(common, _LONGEST_MONTH)


def _words(step: timedelta) -> str:
    for seconds, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count = step.total_seconds() / seconds
        if count >= 1:
            return name if count == 1 else f"{count:g} {name}s"
    return str(step)
