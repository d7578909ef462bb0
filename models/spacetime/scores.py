"""Errors on standardised data, over every window, step and channel alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.spacetime.windows import Array


@dataclass(frozen=True)
class Errors:
    """Mean squared and mean absolute error, and the number of windows behind them."""

    n_windows: int
    mse: float
    mae: float


def window_errors(origin: NDArray[Any], y: Array, yhat: Array, scale: Array) -> Errors:
    """Errors of one forecaster from its rows, one a window and step, in any order.

    origin tells the windows apart; scale is the standard deviation that standardised the channel.
    One mean over all rows: no batch, and so no batch size, has a say in it. Raises ValueError
    without rows, when a forecast is not finite, and when the windows differ in length.
    """
    if not len(y):
        raise ValueError("no forecasts to score: at least one window is needed")
    error = (y - yhat) / scale
    if not np.isfinite(error).all():
        raise ValueError(f"{int((~np.isfinite(error)).sum())} forecasts are not finite numbers")
    windows, steps = np.unique(origin, return_counts=True)
    if steps.min() != steps.max():
        raise ValueError(f"windows of {steps.min()} to {steps.max()} steps: all must be as long")
    return Errors(len(windows), float(np.square(error).mean()), float(np.abs(error).mean()))
