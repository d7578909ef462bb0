"""Gaussian random fields on the unit torus: the random initial vorticities of Li et al. (FNO).

    w0 ~ N(0, C),  sqrt of C's eigenvalue at wave vector k:  s (4 pi^2 |k|^2 + tau^2)^(-alpha / 2)
    s = sqrt(2) tau^(alpha - 1),  k = 0 left out, so that the mean is zero

as the published code has it (its scale multiplies the field; the formula printed in the paper read
as a covariance would give fields six times smaller). A field is a function of its seed and of
`modes` alone, and values stand at cell centres: every grid that holds the modes shows one field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def gaussian_fields(
    seeds: Sequence[tuple[int, ...]],
    shape: tuple[int, int],
    *,
    modes: int = 21,
    alpha: float = 2.5,
    tau: float = 7.0,
) -> NDArray[np.float64]:
    """One field a seed on a grid of `shape`: (B, X, Y); x runs along the first axis.

    modes: largest wave number along each axis. Raises ValueError when the grid cannot hold it.
    """
    if 2 * modes >= min(shape):
        raise ValueError(f"a grid of {shape[0]} x {shape[1]} points holds wave numbers below half "
                         f"its smaller side, not {modes}: lower modes")  # fmt: skip
    k = np.arange(-modes, modes + 1)
    square = 4 * math.pi**2 * (k[:, None] ** 2 + k[None, modes:] ** 2)
    size = tau ** (alpha - 1) * (square + tau**2) ** (-alpha / 2)  # sqrt(2) is in the noise
    size[modes, 0] = 0.0
    turns = k[:, None] / (2 * shape[0]) + k[None, modes:] / (2 * shape[1])
    to_centres = np.exp(2j * math.pi * turns)  # from the corners, where transforms put the points
    spectrum = np.zeros((len(seeds), shape[0], shape[1] // 2 + 1), dtype=np.complex128)
    for i, seed in enumerate(seeds):
        real, imaginary = np.random.default_rng(seed).standard_normal((2, *size.shape))
        half = size * (real + 1j * imaginary)  # (kx, ky >= 0)
        half[:modes, 0] = half[:modes:-1, 0].conj()  # a real field: c(-k) = conj c(k)
        spectrum[i, k, : modes + 1] = half * to_centres
    return np.fft.irfft2(spectrum, s=shape, norm="forward")


def expected_deviation(modes: int, alpha: float = 2.5, tau: float = 7.0) -> float:
    """Standard deviation of the fields: the square root of C's trace."""
    k = np.arange(-modes, modes + 1)
    square = 4 * math.pi**2 * (k[:, None] ** 2 + k[None, :] ** 2)
    eigenvalues = 2 * tau ** (2 * alpha - 2) * (square + tau**2) ** -alpha
    return float(np.sqrt(eigenvalues.sum() - eigenvalues[modes, modes]))
