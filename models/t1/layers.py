"""Layers of T1 on a block of kept coefficients (B, W, *modes), and their initialisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def preserving_deviation(fan_in: int, points: int, modes: int) -> float:
    """Deviation of mode-wise weights that keeps the whole field's variance: sqrt(N / (M c_in)).

    White noise of variance s^2 on N points has M kept coefficients of variance s^2 and nothing
    outside them after the layer; scaled so, they carry the energy of all N. With points = modes
    the variance of the kept coefficients themselves is preserved.
    """
    return math.sqrt(points / (modes * fan_in))


def naive_deviation(fan_in: int, fan_out: int) -> float:
    """FNO's initialisation, uniform of scale 1 / (c_in c_out): its standard deviation."""
    return 1.0 / (fan_in * fan_out)


def mix_channels(x: Tensor, weight: Tensor) -> Tensor:
    """Another matrix for every mode: x (*modes, B, I), weight (*modes, I, O) -> (*modes, B, O)."""
    modes = x.shape[:-2]
    mixed = torch.bmm(x.reshape(-1, *x.shape[-2:]), weight.reshape(-1, *weight.shape[-2:]))
    return mixed.reshape(*modes, *mixed.shape[-2:])


def mix_channels_reference(x: Tensor, weight: Tensor) -> Tensor:
    """`mix_channels` as its equation, for two axes of modes."""
    return torch.einsum("xybi,xyio->xybo", x, weight)


def mix_modes(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Another matrix for every channel, along each axis of modes in turn.

    x: (*modes, B, W); weights: for each axis (W, m, m), [channel, mode out, mode in].
    """
    for axis, weight in enumerate(weights):
        along = x.movedim((-1, axis), (0, 1))  # (W, m, others)
        mixed = torch.bmm(weight, along.reshape(*along.shape[:2], -1))
        x = mixed.reshape(along.shape).movedim((0, 1), (-1, axis))
    return x


def mix_modes_reference(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """`mix_modes` as its equation, for two axes of modes."""
    along_x, along_y = weights
    return torch.einsum("wpx,wqy,xybw->pqbw", along_x, along_y, x)


class SpectralLayer(nn.Module):
    """X <- X + mix_modes(act(mix_channels(X))): one layer of T1, modes first: (*modes, B, W).

    points: grid points of the field whose total variance the initialisation preserves; None
    preserves that of the kept coefficients themselves.
    """

    def __init__(
        self,
        width: int,
        modes: Sequence[int],
        *,
        points: int | None = None,
        naive: bool = False,
    ) -> None:
        super().__init__()
        deviation = (
            naive_deviation(width, width)
            if naive
            else preserving_deviation(width, points or math.prod(modes), math.prod(modes))
        )
        self.channels = nn.Parameter(deviation * torch.randn(*modes, width, width))
        self.modes = nn.ParameterList(
            torch.randn(width, m, m) * preserving_deviation(m, 1, 1) for m in modes
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + mix_modes(F.gelu(mix_channels(x, self.channels)), list(self.modes))


class Head(nn.Module):
    """The same map for every coefficient, without bias: W -> hidden, sine, hidden -> out.

    Its output weights start near zero, so that training starts from the zero field.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, out, bias=False)
        nn.init.normal_(self.down.weight, std=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.sin(self.up(x)))
