"""Filters of Hyena operators: implicit ones of any length, explicit ones of few taps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.sequence.config import HyenaConfig
from models.sequence.layers.mixer import Rate

_FAST, _SLOW, _TARGET = 0.3, 1.5, 0.01  # windows fall to _TARGET at these shares of the length


class ImplicitFilter(nn.Module):
    """h_t = Window(t) FFN(PositionalEncoding(t)) for C channels; Hyena section 3.3, appendix D.3.

    Positions are shares of the longest input, so what is learnt is right for that length alone.
    """

    rates: Mapping[str, Rate]

    def __init__(self, channels: int, longest: int, config: HyenaConfig) -> None:
        """Raises ValueError for an even number of features: t and K pairs of sine and cosine."""
        super().__init__()
        if config.features % 2 == 0:
            raise ValueError(f"hyena: an odd number of features, not {config.features}")
        bands = (config.features - 1) // 2
        t = torch.linspace(0, 1, longest).unsqueeze(-1)  # (L, 1)
        angle = 2 * math.pi / longest * torch.arange(longest).unsqueeze(-1)
        angle = angle * torch.linspace(1e-4, bands - 1, bands)
        self.features: Tensor
        self.register_buffer("features", torch.cat([t, angle.cos(), -angle.sin()], -1), False)
        delta = torch.linspace(math.log(_TARGET) / _SLOW, math.log(_TARGET) / _FAST, channels)
        self.window: Tensor
        self.register_buffer("window", torch.exp(-t * delta.abs()).T.contiguous(), False)  # (C, L)
        width, depth = config.filter_width, config.filter_depth
        sizes = [config.features, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.last = nn.Linear(width, channels, bias=False)
        self.frequency = nn.Parameter(torch.full((width,), config.frequency))  # shared by layers
        self.rates = {name: Rate(1.0) for name, _ in self.named_parameters()}

    def forward(self, length: int) -> Tensor:
        """The first `length` taps of all channels: (C, length). Raises ValueError beyond L."""
        longest = len(self.features)
        if length > longest:
            raise ValueError(f"hyena: {length} steps, but its filters reach over {longest}")
        x = self.features[:length]
        for layer in self.layers:
            x = torch.sin(self.frequency * layer(x))
        return self.last(x).T * self.window[:, :length]


class ExplicitFilter(nn.Module):
    """K taps of C channels that are parameters themselves, initialised as Conv1d's."""

    rates: Mapping[str, Rate]

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        bound = taps**-0.5
        self.taps = nn.Parameter(torch.empty(channels, taps).uniform_(-bound, bound))
        self.rates = {"taps": Rate(1.0)}

    def forward(self, length: int) -> Tensor:
        """The first `length` taps, or all there are: (C, <= length)."""
        return self.taps[:, :length]
