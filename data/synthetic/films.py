"""Films of rising smoke, in place of filmed plumes: a few frames in, the frames after them out."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from data.synthetic.samples import Part, Samples


class SmokeConfig(BaseModel, frozen=True, extra="forbid"):
    """The law: puffs of smoke at random places and sizes, filmed from a random moment on."""

    pde: Literal["smoke"] = "smoke"
    viscosity: float = Field(default=1e-3, description="nu [length^2 / time]", gt=0)
    buoyancy: float = Field(default=1.0, description="b, acceleration by unit density", ge=0)
    puffs: int = Field(default=3, description="round puffs at the start", ge=1)
    dt: float = Field(default=0.02, description="time step", gt=0)
    interval: float = Field(default=0.2, description="time between frames", gt=0)
    context: int = Field(default=2, description="frames seen; the paper's 2", ge=1)
    frames: int = Field(default=10, description="frames to continue; the paper's 10", ge=1)
    seed: int = Field(default=0, description="seed of all puffs", ge=0)

    @property
    def name(self) -> str:
        return f"smoke nu={self.viscosity:g} b={self.buoyancy:g}"


def smoke_samples(config: SmokeConfig, part: Part) -> Samples:
    """The samples of one part. One whose solution breaks down is named in `failed`.

    Raises ValueError when dt does not divide the time between frames.
    """
    from data.synthetic.smoke import Smoke, puffs

    steps = round(config.interval / config.dt)
    if steps < 1 or abs(steps * config.dt - config.interval) > 1e-9:
        raise ValueError(f"dt {config.dt:g} must divide the interval {config.interval:g}")
    shape = (part.resolution, part.resolution)
    started = time.perf_counter()
    film = Smoke(shape, config.viscosity, config.buoyancy, config.dt).film(
        puffs(part.seeds(config.seed), config.puffs, part.resolution),
        config.context + config.frames,
        steps,
    )[:, 1:]
    milliseconds = 1e3 * (time.perf_counter() - started) / part.count
    sound = np.isfinite(film).reshape(len(film), -1).all(1)
    return Samples(
        number=[part.first + int(i) for i in np.flatnonzero(sound)],
        u=film[sound, : config.context],
        y=film[sound, config.context :, None],
        solver=f"ifrk4 float64 {shape[0]}x{shape[1]}",
        solver_ms=milliseconds,
        failed=tuple(
            (part.first + int(i), f"diverged at dt = {config.dt:g}; take a smaller dt")
            for i in np.flatnonzero(~sound)
        ),
    )
