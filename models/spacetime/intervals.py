"""Prediction intervals by split conformal prediction over the validation windows.

A forecast's interval at step h is yhat -+ r_h, r_h the ceil((n + 1) coverage)-th smallest absolute
error at that step over the n validation windows (Vovk et al. 2005; Lei et al. 2018, algorithm 2).
It holds its share if errors of validation and test windows are exchangeable. In series that drift
they are not: errors over the hot months of ETTh1 are half as large again as over the cold ones
that follow, and intervals made there hold .97 where .90 was meant. While outcomes come in, radii
are therefore tracked (Angelopoulos, Candes and Tibshirani, Conformal PID Control, 2023, equation
4): a miss widens them, a hit narrows them, in the proportion that keeps the share in the long run
whatever the series does. Scores report the share that was held.
"""

from __future__ import annotations

import math

import numpy as np

from models.spacetime.windows import Array


def conformal_radius(errors: Array, coverage: float) -> Array:
    """Half widths (H, C) from validation errors (n, H, C), standardised.

    With fewer than coverage / (1 - coverage) windows no finite radius holds the share for certain;
    the largest error is taken then. Raises ValueError without windows, or when coverage is not
    between 0 and 1.
    """
    n = len(errors)
    if not n:
        raise ValueError("conformal intervals need at least one validation window")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage}")
    rank = min(math.ceil((n + 1) * coverage), n) - 1
    radius: Array = np.partition(np.abs(errors), rank, axis=0)[rank]
    return radius


def tracked_radius(errors: Array, radius: Array, coverage: float, rate: float) -> Array:
    """Half widths of successive windows (n, H, C), each by the outcomes known at its origin.

    errors: of windows one row apart, (n, H, C), standardised; of window t the error at step h
    counts from window t + h on. radius: the first half widths (H, C). rate: what a step is worth,
    in shares of them; 0 keeps them. Raises ValueError where the shapes do not fit.
    """
    if errors.shape[1:] != radius.shape:
        raise ValueError(f"errors of shape {errors.shape} need radii of {errors.shape[1:]}")
    horizon = errors.shape[1]
    size, current = np.abs(errors), radius.copy()
    found, missed = np.empty_like(size), np.empty(size.shape, dtype=bool)
    for window in range(len(errors)):
        steps = np.arange(min(window, horizon))
        known = missed[window - 1 - steps, steps]  # step h (from 0) of the window h + 1 before
        current[: len(steps)] += rate * radius[: len(steps)] * (known - (1 - coverage))
        np.maximum(current, 0.0, out=current)
        found[window], missed[window] = current, size[window] > current
    return found
