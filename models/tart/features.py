"""Representations become points the head reads: few coordinates, centred and white.

Both maps are fitted on the k examples alone: the queries never move them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Directions in which the examples vary less than this share of the widest are noise of rounding.
_LEAST_SPREAD = 1e-6

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Features:
    """A map from representations (n, N) to points (n, D), fitted on k examples."""

    mean: NDArray[np.float64]  # (N,)
    axes: NDArray[np.float64]  # (N, d): directions, each divided by the examples' spread along it
    width: int  # D; the last D - d coordinates are 0
    condition: float  # widest over narrowest spread of the examples along the d directions

    def __call__(self, representations: Array) -> NDArray[np.float64]:
        """(n, N) -> (n, D). Raises ValueError for another width, or values that are not finite."""
        given = _checked(representations)
        if given.shape[1] != len(self.mean):
            raise ValueError(
                f"representations have {given.shape[1]} numbers, the examples {len(self.mean)}"
            )
        points = np.zeros((len(given), self.width))
        points[:, : self.axes.shape[1]] = (given - self.mean) @ self.axes
        return points


def fit_features(examples: Array, width: int, components: int | None = None) -> Features:
    """Principal components of k examples (k, N), scaled to variance 1: PCA, then whitening.

    components: how many are wanted; without, one for every two examples, since a problem of more
    coordinates can hardly be learnt from them. There are never more than `width` (D) or k - 1, nor
    directions than the examples vary in, so that none is divided by next to nothing; what is
    missing to `width` is 0, as in problems of fewer dimensions that the head learned from.
    Whitening is symmetric (ZCA) in the paper; in principal components, whose covariance is
    diagonal, it is this division.

    Raises ValueError for a single example, examples that are all alike, or values not finite.
    """
    given = _checked(examples)
    k = len(given)
    if k < 2:
        raise ValueError(f"features need at least 2 examples, got {k}")
    mean = given.mean(axis=0)
    _, spread, directions = np.linalg.svd(given - mean, full_matrices=False)
    spread = spread / np.sqrt(k - 1)  # standard deviation along each direction
    wanted = min(components or k // 2, width, k - 1)
    d = int(np.sum(spread[:wanted] > _LEAST_SPREAD * spread[0])) if spread[0] > 0 else 0
    if d == 0:
        raise ValueError(f"all {k} examples have the same representation: nothing tells them apart")
    # A singular vector is defined up to its sign: the largest entry is made positive, so that the
    # points do not depend on the library that decomposed.
    directions = directions[:d]
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(d), largest])[:, None]
    axes = (directions / spread[:d, None]).T
    return Features(mean, axes, width, float(spread[0] / spread[d - 1]))


def _checked(representations: Array) -> NDArray[np.float64]:
    given = np.asarray(representations, dtype=np.float64)
    if given.ndim != 2:
        raise ValueError(f"representations are a row each (n, N), got shape {given.shape}")
    wrong = ~np.isfinite(given).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"{wrong.sum()} of {len(given)} representations hold NaN or infinity, first row "
            f"{int(wrong.argmax())}: fill or drop them"
        )
    return given
