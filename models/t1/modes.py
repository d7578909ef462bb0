"""Which DCT coefficients a T1 works on, and the error that no T1 working on them can go below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

Array = NDArray[np.floating]
Kept = tuple[tuple[int, ...], ...]  # for each grid axis, the numbers of its coefficients kept


def lowest(modes: Sequence[int], shape: Sequence[int]) -> Kept:
    """The lowest coefficients of each axis, the paper's choice. Raises ValueError if too many."""
    check_modes(modes, shape)
    return tuple(tuple(range(m)) for m in modes)


def by_energy(modes: Sequence[int], y: Array) -> Kept:
    """The coefficients of each axis that hold most of the targets' energy; y: (n, C, *grid)."""
    return _best(modes, (_coefficients(y) ** 2).mean((0, 1)))


def by_explained_variance(modes: Sequence[int], u: Array, y: Array) -> Kept:
    """The coefficients of each axis in which inputs tell most about targets.

    What counts for a coefficient is the variance of the target's that a line through the input's
    coefficient of the same number explains, over the samples and every pair of channels:
    sum cov(u, y)^2 / var(u), plus the energy of the target's mean, which needs no telling.
    """
    inputs, targets = _coefficients(u), _coefficients(y)
    mean = targets.mean(0)
    du, dy = inputs - inputs.mean(0), targets - mean
    covariance = np.einsum("ni...,no...->io...", du, dy) / len(u)
    variance = (du**2).mean(0)[:, None]
    explained = np.where(variance > 0, covariance**2 / np.maximum(variance, 1e-300), 0.0)
    return _best(modes, explained.max(0).sum(0) + (mean**2).sum(0))


def truncation_floor(y: Array, kept: Kept) -> float:
    """Mean over samples of ||(I - P) y|| / ||y||: what is lost by keeping these coefficients."""
    coefficients = _coefficients(y)
    total = (coefficients**2).reshape(len(y), -1).sum(1)
    inside = coefficients
    for axis, numbers in enumerate(kept):
        inside = inside.take(numbers, axis=2 + axis)
    lost = total - (inside**2).reshape(len(y), -1).sum(1)
    return float(np.sqrt(np.maximum(lost, 0.0) / np.maximum(total, 1e-300)).mean())


def check_modes(modes: Sequence[int], shape: Sequence[int]) -> None:
    """Raises ValueError where a grid axis has fewer points than modes are asked for."""
    if len(modes) != len(shape):
        raise ValueError(f"modes for {len(modes)} axes, the grid has {len(shape)}")
    for axis, (m, n) in enumerate(zip(modes, shape, strict=True)):
        if not 1 <= m <= n:
            raise ValueError(f"modes {m} on grid axis {axis} of {n} points: give 1 to {n}")


def _coefficients(fields: Array) -> NDArray[np.float64]:
    axes = tuple(range(2, fields.ndim))
    return dctn(np.asarray(fields, np.float64), axes=axes, norm="ortho")


def _best(modes: Sequence[int], worth: NDArray[np.float64]) -> Kept:
    """For each axis the coefficients of largest total worth: a product of index sets."""
    check_modes(modes, worth.shape)
    kept = []
    for axis, m in enumerate(modes):
        others = tuple(i for i in range(worth.ndim) if i != axis)
        order = np.argsort(-worth.sum(others), kind="stable")[:m]
        kept.append(tuple(int(k) for k in np.sort(order)))
    return tuple(kept)
