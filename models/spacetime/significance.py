"""Is one forecaster better than another on the same windows? Diebold and Mariano's test.

The loss difference of neighbouring windows is all but the same number: horizons of H steps overlap
in H - 1. Its long-run variance is therefore estimated from cosine averages of periods no shorter
than two horizons, which makes the statistic Student's with as many degrees of freedom as there are
averages (Lazarus, Lewis, Stock and Watson 2018). A mean over H steps damps even those periods, by a
known factor that is divided out. The rectangular window of Diebold and Mariano (1995) can turn
negative here, and taking windows for independent would call most ties significant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from models.spacetime.windows import Array


@dataclass(frozen=True)
class PairedTest:
    """One two-sided test of equal expected loss; difference below 0: the first is better."""

    difference: float
    statistic: float | None
    degrees: int
    p_value: float | None


def diebold_mariano(ours: Array, theirs: Array, horizon: int) -> PairedTest:
    """Compares the losses (n,) of two forecasters, one a window, in the order of time.

    With fewer than two windows a horizon apart nothing can be said: statistic and p-value are None.
    The same holds where all differences are equal. Raises ValueError when lengths differ.
    """
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(f"losses must pair up, one a window: got {ours.shape} and {theirs.shape}")
    difference = ours - theirs
    n = len(difference)
    mean = float(difference.mean())
    degrees = min(n // horizon, math.floor(0.4 * n ** (2 / 3)))
    variance = _long_run_variance(difference - mean, degrees, horizon) if degrees else 0.0
    if variance <= 1e-24 * max(float(np.square(difference).mean()), 1e-300):
        return PairedTest(mean, None, degrees, None)
    statistic = mean / math.sqrt(variance / n)
    return PairedTest(mean, statistic, degrees, float(2 * student.sf(abs(statistic), degrees)))


def _long_run_variance(centred: Array, degrees: int, horizon: int) -> float:
    """Mean square of the cosine averages of 1 to `degrees` half periods, damping divided out."""
    n = len(centred)
    half_periods = np.arange(1, degrees + 1)
    cosines = np.cos(np.pi * half_periods[:, None] * (np.arange(n) + 0.5) / n)
    damping = np.sinc(half_periods * horizon / (2 * n)) ** 2
    return float((np.square(math.sqrt(2 / n) * cosines @ centred) / damping).mean())
