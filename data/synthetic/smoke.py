"""Buoyant smoke: a density that rises and is carried by the flow it drives (Boussinesq).

    w_t + u . grad w = nu lap w + b d_x s,      s_t + u . grad s = nu lap s,      b the buoyancy

on the unit torus with x to the right and y upwards, in the modes, transforms and time rule of
data/synthetic/navier_stokes.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.synthetic.navier_stokes import MAX_CFL, NavierStokes, grid_points


class Smoke:
    """The solver of one grid: spectra of vorticity and density together, (2, B, X, K)."""

    def __init__(
        self, shape: tuple[int, int], viscosity: float, buoyancy: float, dt: float
    ) -> None:
        self.flow = NavierStokes(shape, viscosity, dt)
        self.dt, self.buoyancy = dt, buoyancy
        half = self.flow.spectrum(torch.zeros(1, *shape)).shape[-1]
        kx = torch.fft.fftfreq(shape[0], 1 / shape[0], dtype=torch.float64)[:, None]
        ky = torch.arange(half, dtype=torch.float64)[None, :]
        self._d_x, self._d_y = 2j * math.pi * kx, 2j * math.pi * ky
        square = 4 * math.pi**2 * (kx**2 + ky**2)
        self._half_step = torch.exp(-viscosity * square * dt / 2)

    def advance(self, state: Tensor) -> Tensor:
        """One step of IFRK4, as in NavierStokes."""
        a, dt = self._half_step, self.dt
        k1 = self._rate(state)
        k2 = self._rate(a * (state + dt / 2 * k1))
        k3 = self._rate(a * state + dt / 2 * k2)
        k4 = self._rate(a * (a * state + dt * k3))
        return a * a * (state + dt / 6 * k1) + dt / 3 * a * (k2 + k3) + dt / 6 * k4

    def _rate(self, state: Tensor) -> Tensor:
        u, v = self.flow.velocity(state[0])
        carried = self.flow.field(state)  # vorticity and density
        flux_x, flux_y = self.flow.spectrum(torch.cat([u * carried, v * carried])).chunk(2)
        rate = -(self._d_x * flux_x + self._d_y * flux_y)
        rate[0] += self.buoyancy * self._d_x * state[1]
        return rate

    def film(self, density: NDArray[np.float64], frames: int, steps: int) -> NDArray[np.float64]:
        """Density (B, X, Y) at rest -> that frame and `frames` more, `steps` apart: (B, 1 + frames,
        X, Y). A field that breaks down is NaN from there on."""
        start = self.flow.spectrum(torch.as_tensor(density))
        state = torch.stack([torch.zeros_like(start), start])
        film = [density]
        cut = math.pi * 2 * ((min(density.shape[1:]) - 1) // 3)
        for step in range(1, frames * steps + 1):
            state = self.advance(state)
            if step % steps == 0:
                speed = self.flow.velocity(state[0]).abs().amax((0, 2, 3))
                state[:, ~(2 * self.dt * cut * speed <= 2 * MAX_CFL)] = math.nan
                film.append(self.flow.field(state[1]).numpy())
        return np.stack(film, 1)


def puffs(seeds: Sequence[tuple[int, ...]], count: int, n: int) -> NDArray[np.float64]:
    """Round Gaussian puffs of density about 1 on a torus, in its lower half: (B, n, n)."""
    x, y = grid_points((n, n))
    fields = np.zeros((len(seeds), n, n))
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        for cx, cy, radius, size in rng.uniform(
            (0, 0.1, 0.06, 0.5), (1, 0.5, 0.12, 1.0), (count, 4)
        ):
            dx, dy = ((d + 0.5) % 1 - 0.5 for d in (x - cx, y - cy))
            fields[i] += size * np.exp(-(dx**2 + dy**2) / (2 * radius**2))
    return fields
