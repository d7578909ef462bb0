"""Potential flow around Joukowski airfoils: an exact solution in closed form.

The circle |zeta - mu| = R through zeta = 1 becomes an airfoil under z = zeta + 1 / zeta. With a
free stream of speed 1 at angle of attack a,

    W(zeta) = e^{-ia} (zeta - mu) + R^2 e^{ia} / (zeta - mu) - i G / (2 pi) log(zeta - mu)
    u - i v = (dW / dzeta) / (dz / dzeta),       G = -4 pi R sin(a + b),  b = asin(Im mu / R)

where the circulation G (counter-clockwise) lets the flow leave the sharp trailing edge smoothly
(Kutta). A stand-in for the paper's airfoil simulations, in their layout: free stream (u, v) and
mask of the body in, pressure and velocity (p, u, v) out, zero inside the body.
"""

from __future__ import annotations

import math
import time
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from data.synthetic.samples import Part, Samples

Plane = NDArray[np.complex128]
_HALF_SIDE = 4.0  # the square -4 .. 4; an airfoil's chord is about 4


class AirfoilConfig(BaseModel, frozen=True, extra="forbid"):
    """The law: airfoils and angles of attack drawn evenly between bounds."""

    pde: Literal["airfoil"] = "airfoil"
    thickness: tuple[float, float] = Field(
        default=(0.05, 0.2), description="-Re mu, about 1.3 times thickness over chord"
    )
    camber: tuple[float, float] = Field(
        default=(0.0, 0.2), description="Im mu, about twice camber over chord"
    )
    attack: tuple[float, float] = Field(
        default=(-0.2, 0.2), description="angle of attack [rad]; the paper's data +-0.39"
    )
    seed: int = Field(default=0, description="seed of all shapes and angles", ge=0)

    @property
    def name(self) -> str:
        return "airfoil potential flow"


def circulation(centre: complex, attack: float) -> float:
    """G of the Kutta condition, counter-clockwise; lift is -G per unit of density and speed."""
    radius = abs(1 - centre)
    return -4 * math.pi * radius * math.sin(attack + math.asin(centre.imag / radius))


def to_circle(z: Plane, centre: complex) -> Plane:
    """The point of the circle's plane outside the body for z, or the farther one if inside."""
    root = np.sqrt(z * z / 4 - 1 + 0j)
    one, other = z / 2 + root, z / 2 - root
    return np.where(abs(one - centre) >= abs(other - centre), one, other)


def velocity(zeta: Plane, centre: complex, attack: float) -> Plane:
    """u + i v at points of the circle's plane, speed 1 far away."""
    away = zeta - centre
    radius = abs(1 - centre)
    rate = (
        np.exp(-1j * attack)
        - radius**2 * np.exp(1j * attack) / away**2
        - 1j * circulation(centre, attack) / (2 * math.pi * away)
    )
    return np.conj(rate / (1 - 1 / zeta**2))


def airfoil_samples(config: AirfoilConfig, part: Part) -> Samples:
    """The samples of one part."""
    started = time.perf_counter()
    inputs, outputs = [], []
    for seed in part.seeds(config.seed):
        bounds = np.array([config.thickness, config.camber, config.attack])
        thickness, camber, attack = np.random.default_rng(seed).uniform(bounds[:, 0], bounds[:, 1])
        u, y = _fields(complex(-thickness, camber), float(attack), part.resolution)
        inputs.append(u)
        outputs.append(y[None])
    return Samples(
        number=range(part.first, part.first + part.count),
        u=np.stack(inputs),
        y=np.stack(outputs),
        solver="closed form",
        solver_ms=1e3 * (time.perf_counter() - started) / part.count,
    )


def _fields(
    centre: complex, attack: float, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and outputs (3, n, n) of one airfoil, x along the first grid axis."""
    side = _HALF_SIDE * ((2 * np.arange(n) + 1) / n - 1)
    zeta = to_circle(side[:, None] + 1j * side[None, :], centre)
    outside = abs(zeta - centre) > abs(1 - centre)
    flow = np.where(outside, velocity(np.where(outside, zeta, 2.0), centre, attack), 0.0)
    pressure = np.where(outside, 0.5 * (1 - abs(flow) ** 2), 0.0)  # Bernoulli, 0 far away
    stream = np.exp(1j * attack) * outside
    u = np.stack([stream.real, stream.imag, 1.0 - outside])
    return u, np.stack([pressure, flow.real, flow.imag])
