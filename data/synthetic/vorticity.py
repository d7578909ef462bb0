"""Navier-Stokes samples of Li et al.: random vorticity at time 0 -> vorticity at time T."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field, model_validator

from data.synthetic.samples import Part, Samples

_BATCH = 8  # fields at once: what one processor core keeps in its cache


class NavierStokesConfig(BaseModel, frozen=True, extra="forbid"):
    """The law: forced two-dimensional flow on the unit torus from random initial vorticity."""

    pde: Literal["navier_stokes"] = "navier_stokes"
    viscosity: float = Field(
        default=1e-3, description="nu [length^2 / time]; the paper's 1e-3 and 1e-4", gt=0
    )
    final_time: float = Field(
        default=50.0, description="T; the paper's 50 for nu = 1e-3, 15 for nu = 1e-4", gt=0
    )
    dt: float = Field(
        default=0.04,
        description="time step of the fourth-order rule; the paper's data took 1e-4 of a "
        "first-order one",
        gt=0,
    )
    modes: int = Field(
        default=21, description="largest wave number of the initial fields; FNO's 128", ge=1
    )
    double: bool = Field(default=True, description="float64 (else float32) in the solver")
    oversampling: int = Field(
        default=1,
        description="solver's points over stored points, along each axis; FNO's 4",
        ge=1,
    )
    seed: int = Field(default=0, description="seed of all initial fields", ge=0)
    device: str = Field(default="cpu", description="torch device of the solver: cpu or cuda")

    @property
    def name(self) -> str:
        """The data set's name: its law."""
        return f"navier_stokes nu={self.viscosity:g} T={self.final_time:g}"

    @model_validator(mode="after")
    def _steps_fit(self) -> NavierStokesConfig:
        steps = self.final_time / self.dt
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(f"dt {self.dt:g} must divide the final time {self.final_time:g}")
        return self


def navier_stokes_samples(config: NavierStokesConfig, part: Part) -> Samples:
    """The samples of one part. One whose solution breaks down is named in `failed`.

    Raises ValueError when the grid cannot hold the initial modes or dt is unstable from the start.
    """
    import torch

    from data.synthetic.gaussian_fields import gaussian_fields
    from data.synthetic.navier_stokes import NavierStokes, li_forcing, resampled

    stored = (part.resolution, part.resolution)
    shape = (part.resolution * config.oversampling,) * 2
    start = gaussian_fields(part.seeds(config.seed), shape, modes=config.modes)
    solver = NavierStokes(
        shape,
        config.viscosity,
        config.dt,
        forcing=li_forcing(shape),
        dtype=torch.float64 if config.double else torch.float32,
        device=config.device,
    )
    started = time.perf_counter()
    parts = [
        solver.solve(start[i : i + _BATCH], config.final_time) for i in range(0, part.count, _BATCH)
    ]
    vorticity, cfl, failed_at = (
        np.concatenate([getattr(one, name) for one in parts])
        for name in ("vorticity", "cfl", "failed_at")
    )
    milliseconds = 1e3 * (time.perf_counter() - started) / part.count
    sound = np.isnan(failed_at)
    failed = tuple(
        (
            part.first + int(i),
            f"diverged at t = {failed_at[i]:g} of {config.final_time:g}: CFL number "
            f"{cfl[i]:.3g} at dt = {config.dt:g}; take a smaller dt",
        )
        for i in np.flatnonzero(~sound)
    )
    return Samples(
        number=[part.first + int(i) for i in np.flatnonzero(sound)],
        u=resampled(start[sound], stored)[:, None],
        y=resampled(vorticity[sound], stored)[:, None, None],
        solver=f"ifrk4 {'float64' if config.double else 'float32'} {shape[0]}x{shape[1]}",
        solver_ms=milliseconds,
        failed=failed,
    )
