"""Two-dimensional incompressible flow on the unit torus, in vorticity form, solved spectrally.

    w_t + u . grad w = nu lap w + f,     lap psi = -w,     u = (psi_y, -psi_x) + mean flow

Space: Fourier modes below the 2/3 cut, so that products are free of aliasing. Time: the classical
fourth-order Runge-Kutta rule under the exact factor of diffusion (IFRK4). The advection term is
    curl div (u u) = (d_xx - d_yy)(u v) + d_xy (v v - u u):
four transforms a stage, each only over the modes that are kept.

Batches of fields (B, X, Y) go through at once, in float32 or float64, on any torch device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TWO_PI = 2.0 * math.pi
# RK4 is stable for imaginary eigenvalues up to 2 sqrt(2); the margin is for velocities that grow.
MAX_CFL = 2.5
_CHECK_EVERY = 10  # steps between two looks at the velocity


@dataclass(frozen=True)
class Solution:
    """Final vorticity (B, X, Y) with, for each field, the largest CFL number it saw.

    failed_at: time at which a field was given up, because it was no longer finite or its CFL
    number had passed the limit; NaN for fields that are sound. A field given up is all NaN.
    """

    vorticity: NDArray[np.float64]
    cfl: NDArray[np.float64]
    failed_at: NDArray[np.float64]


def li_forcing(shape: tuple[int, int]) -> NDArray[np.float64]:
    """f = 0.1 (sin 2 pi (x + y) + cos 2 pi (x + y)), the forcing of Li et al.: (X, Y)."""
    x, y = grid_points(shape)
    phase = _TWO_PI * (x + y)
    return 0.1 * (np.sin(phase) + np.cos(phase))


def grid_points(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates x (X, 1) and y (1, Y) of the cell centres."""
    x, y = ((np.arange(n) + 0.5) / n for n in shape)
    return x[:, None], y[None, :]


def resampled(fields: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Fields (B, X, Y) at the cell centres of a coarser grid (B, *shape), by their wave numbers."""
    if fields.shape[1:] == shape:
        return fields
    k, ky = np.fft.fftfreq(shape[0], 1 / shape[0]).astype(int), np.arange(shape[1] // 2 + 1)
    spectrum = np.fft.rfft2(fields, norm="forward")[:, k][:, :, : len(ky)]
    turns = k[:, None] * (1 / shape[0] - 1 / fields.shape[1])
    turns = turns + ky[None, :] * (1 / shape[1] - 1 / fields.shape[2])
    return np.fft.irfft2(spectrum * np.exp(1j * math.pi * turns), s=shape, norm="forward")


class NavierStokes:
    """The solver of one grid, viscosity, forcing and time step.

    shape: points along x and y. viscosity: nu [length^2 / time]. dt: time step. forcing: f on the
    grid (X, Y), or None. mean_flow: velocity of the frame. Spectra are unscaled transforms
    (B, X, K), K = modes along y below the cut.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        viscosity: float,
        dt: float,
        *,
        forcing: NDArray[np.float64] | None = None,
        mean_flow: tuple[float, float] = (0.0, 0.0),
        dtype: torch.dtype = torch.float64,
        device: str = "cpu",
    ) -> None:
        if min(shape) < 4:
            raise ValueError(f"a grid needs at least 4 points a side, got {shape[0]} x {shape[1]}")
        if viscosity < 0 or dt <= 0:
            raise ValueError(f"viscosity must be >= 0 and dt above 0, got {viscosity} and {dt}")
        self.shape, self.viscosity, self.dt, self.mean_flow = shape, viscosity, dt, mean_flow
        self.dtype, self.device = dtype, torch.device(device)
        cut_x, self._cut_y = ((n - 1) // 3 for n in shape)  # products of kept modes stay exact
        kx = torch.fft.fftfreq(shape[0], 1.0 / shape[0], dtype=torch.float64)[:, None]
        ky = torch.arange(self._cut_y + 1, dtype=torch.float64)[None, :]
        kept = (kx.abs() <= cut_x).double()
        square = _TWO_PI**2 * (kx**2 + ky**2)  # of the wave vector
        inverse = torch.where(square > 0, 1.0 / square.clamp(min=1e-300), 0.0) * kept
        self._kept = self._real(kept.expand(square.shape))
        # u = psi_y, v = -psi_x with psi = w / |k|^2.
        self._to_velocity = torch.stack([1j * _TWO_PI * ky * inverse, -1j * _TWO_PI * kx * inverse])
        self._to_velocity = self._to_velocity[:, None].to(self.device, dtype.to_complex())
        self._mean = torch.tensor(mean_flow, dtype=dtype, device=self.device)[:, None, None, None]
        # Of u v and of v v - u u in minus the advection term.
        self._of_uv = self._real(_TWO_PI**2 * (kx**2 - ky**2) * kept)
        self._of_difference = self._real(_TWO_PI**2 * kx * ky * kept)
        self._half = self._real(torch.exp(-viscosity * square * dt / 2) * kept)
        self._full = self._half**2
        # Largest eigenvalue of advection by a unit velocity, along x and along y.
        self._cut = (_TWO_PI * cut_x, _TWO_PI * self._cut_y)
        self._forcing = None if forcing is None else self.spectrum(self._checked(forcing[None]))

    def solve(self, vorticity: NDArray[np.float64], final_time: float) -> Solution:
        """Vorticity (B, X, Y) at time 0 -> at `final_time`; one field's failure is its own.

        Raises ValueError for fields that are not finite or not on this grid, and when the time
        step is too long for the very first velocity, or not a whole part of `final_time`.
        """
        steps = round(final_time / self.dt)
        if steps < 1 or abs(steps * self.dt - final_time) > 1e-9 * final_time:
            raise ValueError(f"dt {self.dt:g} must divide the final time {final_time:g}")
        w = self.spectrum(self._checked(vorticity))
        cfl = self._cfl(w)
        if bool((cfl > MAX_CFL).any()):
            longest = self.dt * MAX_CFL / float(cfl.max())
            raise ValueError(
                f"dt {self.dt:g} is unstable at the initial velocity: CFL number "
                f"{float(cfl.max()):.3g}, stable up to {MAX_CFL:g}; take dt <= {longest:.2g}"
            )
        failed_at = torch.full_like(cfl, math.nan)
        work = [torch.empty_like(w) for _ in range(4)]
        for step in range(1, steps + 1):
            self._advance(w, work)
            if step % _CHECK_EVERY == 0 or step == steps:
                now = self._cfl(w)
                bad = ~(now <= MAX_CFL) & failed_at.isnan()  # NaN counts as bad
                failed_at[bad] = step * self.dt
                cfl = torch.maximum(cfl, torch.nan_to_num(now, nan=math.inf))
                w[~failed_at.isnan()] = 0.0
        field = self.field(w).double()
        field[~failed_at.isnan()] = math.nan
        return Solution(field.cpu().numpy(), cfl.cpu().numpy(), failed_at.cpu().numpy())

    def spectrum(self, field: Tensor) -> Tensor:
        """(B, X, Y) -> (B, X, K), modes above the cut set to zero."""
        half = torch.fft.rfft(field.to(self.dtype))[..., : self._cut_y + 1]
        return torch.fft.fft(half, dim=-2).mul_(self._kept)

    def field(self, spectrum: Tensor) -> Tensor:
        """(..., X, K) -> (..., X, Y)."""
        return torch.fft.irfft(torch.fft.ifft(spectrum, dim=-2), n=self.shape[1])

    def velocity(self, spectrum: Tensor) -> Tensor:
        """Spectrum of the vorticity (B, X, K) -> u and v: (2, B, X, Y)."""
        return self.field(self._to_velocity * spectrum).add_(self._mean)

    def advance(self, spectrum: Tensor) -> Tensor:
        """The spectrum one time step later."""
        w = spectrum.clone()
        self._advance(w, [torch.empty_like(w) for _ in range(4)])
        return w

    def _advance(self, w: Tensor, work: list[Tensor]) -> None:
        """w <- w(t + dt), with a = exp(-nu |k|^2 dt / 2):

        k1 = N(w), k2 = N(a w + dt/2 a k1), k3 = N(a w + dt/2 k2), k4 = N(a^2 w + dt a k3)
        w <- a^2 w + dt/6 (a^2 k1 + 2 a (k2 + k3) + k4)
        """
        aw, stage, total, halves = work
        dt = self.dt
        torch.mul(w, self._half, out=aw)
        k = self._rate(w)
        torch.add(w, k, alpha=dt / 6, out=total).mul_(self._full)
        torch.mul(k, self._half, out=k)
        k = self._rate(torch.add(aw, k, alpha=dt / 2, out=stage))
        halves.copy_(k)
        k = self._rate(torch.add(aw, k, alpha=dt / 2, out=stage))
        halves.add_(k)
        torch.add(aw, k, alpha=dt, out=stage).mul_(self._half)
        k = self._rate(stage)
        total.add_(halves.mul_(self._half), alpha=dt / 3)
        torch.add(total, k, alpha=dt / 6, out=w)

    def _rate(self, spectrum: Tensor) -> Tensor:
        """N(w) = f - u . grad w."""
        u, v = self.velocity(spectrum)
        products = torch.empty_like(u).resize_(2, *u.shape)
        torch.mul(u, v, out=products[0])
        torch.mul(v - u, v.add_(u), out=products[1])
        half = torch.fft.rfft(products)[..., : self._cut_y + 1]
        uv, difference = torch.fft.fft(half, dim=-2)
        rate = uv.mul_(self._of_uv).add_(difference.mul_(self._of_difference))
        return rate if self._forcing is None else rate.add_(self._forcing)

    def _cfl(self, spectrum: Tensor) -> Tensor:
        """dt times the largest eigenvalue of advection, for each field."""
        speed = self.velocity(spectrum).abs().amax((-2, -1)).double()
        return self.dt * (self._cut[0] * speed[0] + self._cut[1] * speed[1])

    def _checked(self, fields: NDArray[np.float64]) -> Tensor:
        if fields.shape[1:] != self.shape:
            raise ValueError(
                f"the solver's grid is {self.shape[0]} x {self.shape[1]}, the fields' is "
                f"{' x '.join(map(str, fields.shape[1:]))}"
            )
        if not np.isfinite(fields).all():
            raise ValueError("a vorticity field holds NaN or infinity; every value must be finite")
        return torch.as_tensor(fields, dtype=self.dtype, device=self.device)

    def _real(self, factor: Tensor) -> Tensor:
        return factor.to(self.device, self.dtype)
