"""Prediction intervals by split conformal prediction over the validation windows.

A forecast's interval at step h is yhat -+ r_h, r_h the ceil((n + 1) coverage)-th smallest absolute
error at that step over the n validation windows (Vovk et al. 2005; Lei et al. 2018, algorithm 2).
It holds its share if errors of validation and test windows are exchangeable. Windows that overlap
and series that drift are not quite, so scores report the share that was held.
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
