"""What a fitted SpaceTime remembers: the eigenvalues of its companion matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors.torch import load

from models.spacetime.kernels import bound_l1, companion_matrix


@dataclass(frozen=True)
class Eigenvalue:
    """One eigenvalue of one state space of one layer."""

    layer: str
    kernel: int
    root: int
    real: float
    imaginary: float
    modulus: float


def eigenvalues(weights: bytes) -> list[Eigenvalue]:
    """All eigenvalues of every A in a network's weights (safetensors), in double precision.

    A bounded last column keeps them in the closed unit disc (section 3.1).
    """
    found = []
    for name, tensor in load(weights).items():
        layer, _, vector = name.rpartition(".")
        if vector != "a":
            continue
        roots = torch.linalg.eigvals(companion_matrix(bound_l1(tensor.double())))  # (kernels, d)
        order = roots.abs().argsort(dim=-1, descending=True)
        for kernel, values in enumerate(roots.gather(-1, order).tolist()):
            found += [
                Eigenvalue(layer, kernel, i, value.real, value.imag, abs(value))
                for i, value in enumerate(values)
            ]
    return found
