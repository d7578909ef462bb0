"""Series, time splits, scaling and windows: the same rows for every forecaster.

Windows start at every row (stride 1) and none is dropped. A window belongs to the split that its
horizon lies in; its lag may reach back into the rows before, which are in the past by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.spacetime.config import SplitConfig

Array = NDArray[np.float64]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Scaler:
    """Mean and population standard deviation (ddof 0) of each channel, shapes (C,)."""

    mean: Array
    std: Array

    def standardise(self, values: Array) -> Array:
        """(..., C) in original units -> zero mean, unit variance over the rows fitted on."""
        return (values - self.mean) / self.std

    def restore(self, values: Array) -> Array:
        """The inverse of `standardise`."""
        return values * self.std + self.mean


@dataclass(frozen=True)
class History:
    """A regular multivariate series: times (T,), channels (C), values (T, C), two split rows.

    Rows [0, train_end) train, [train_end, validation_end) validate, the rest tests.
    """

    times: NDArray[np.datetime64]
    channels: tuple[str, ...]
    values: Array
    train_end: int
    validation_end: int

    @classmethod
    def from_rows(
        cls, time: NDArray[Any], channel: NDArray[Any], value: Array, split: NDArray[Any]
    ) -> History:
        """From a long table, one row a time and channel, in any order.

        Raises ValueError when a value is missing or not finite, when hours are not evenly spaced,
        or when the splits are not train, validation, test in the order of time.
        """
        channels = tuple(sorted(set(channel.tolist())))
        times, row = np.unique(time, return_inverse=True)
        values = np.full((len(times), len(channels)), np.nan)
        values[row, np.searchsorted(channels, channel.astype(str))] = value
        if not np.isfinite(values).all():
            at = times[~np.isfinite(values).all(axis=1)][0]
            raise ValueError(f"the series has no finite value at {at}: fill or drop it beforehand")
        steps = np.diff(times)
        if len(steps) and (steps != steps[0]).any():
            raise ValueError("the series has gaps: rows must be evenly spaced in time")
        code = np.zeros(len(times), dtype=np.int64)
        code[row] = np.array([SPLITS.index(name) for name in split.tolist()])
        if (np.diff(code) < 0).any():
            raise ValueError("splits must follow time: train, then validation, then test")
        return cls(times, channels, values, int((code < 1).sum()), int((code < 2).sum()))

    def only(self, channels: Sequence[str]) -> History:
        """The series with these channels, in this order; all of them when none are given.

        Raises ValueError for a channel it has not.
        """
        for name in channels:
            if name not in self.channels:
                raise ValueError(f"no channel {name!r}: the series has {', '.join(self.channels)}")
        if not channels:
            return self
        places = [self.channels.index(name) for name in channels]
        return replace(self, channels=tuple(channels), values=self.values[:, places])

    @property
    def target(self) -> str:
        """The one channel's name, or 'all'."""
        return self.channels[0] if len(self.channels) == 1 else "all"

    def scaler(self) -> Scaler:
        """Fitted on the train rows only. Raises ValueError for a channel that is constant there."""
        train = self.values[: self.train_end]
        std = train.std(axis=0)
        for name, spread in zip(self.channels, std, strict=True):
            if spread < 1e-9:
                raise ValueError(f"channel {name} is constant over the train rows: drop it")
        return Scaler(train.mean(axis=0), std)

    def windows(self, split: str, lag: int, horizon: int) -> tuple[Array, Array]:
        """Standardised lags (n, lag, C) and horizons (n, horizon, C) of a split, as views.

        n is rows - lag - horizon + 1 in train and rows - horizon + 1 elsewhere. Raises ValueError
        when the split is too short for one window.
        """
        start, stop = self.split_rows(split, lag)
        if not self.holds(split, lag, horizon):
            raise ValueError(
                f"{split} split: {stop - start} rows are too few for lag {lag} + horizon {horizon}"
            )
        rows = self.scaler().standardise(self.values)[start:stop]
        windows = np.moveaxis(sliding_window_view(rows, lag + horizon, axis=0), 2, 1)
        return windows[:, :lag], windows[:, lag:]

    def holds(self, split: str, lag: int, horizon: int) -> bool:
        """Whether a split is long enough for one window."""
        start, stop = self.split_rows(split, lag)
        return stop - start >= lag + horizon

    def split_rows(self, split: str, lag: int) -> tuple[int, int]:
        """First and last-plus-one row that windows of a split read, lags included."""
        ends = (self.train_end, self.validation_end, len(self.values))
        position = SPLITS.index(split)
        return (0 if position == 0 else max(ends[position - 1] - lag, 0)), ends[position]


def split_of_rows(rows: int, config: SplitConfig) -> list[str]:
    """The split of each of `rows` rows in time order: the first part trains, the last part tests.

    Raises ValueError when one of the three would be empty.
    """
    train, test = int(rows * config.train), int(rows * config.test)
    validation = rows - train - test
    if min(train, validation, test) < 1:
        raise ValueError(f"a series of {rows} rows is too short to be split in three")
    return ["train"] * train + ["validation"] * validation + ["test"] * test


def split_with_ends(train_end: int, validation_end: int, test_end: int) -> list[str]:
    """The split of each of `test_end` rows, given where the parts end."""
    ends = zip(
        SPLITS, (0, train_end, validation_end), (train_end, validation_end, test_end), strict=True
    )
    return [name for name, start, end in ends for _ in range(end - start)]
