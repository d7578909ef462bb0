"""Long convolutions whose kernel is the parameter, made sparse in time.

Fu, Epstein, Nguyen, Thomas, Zhang, Dao, Rudra, Re: Simple Hardware-Efficient Long Convolutions for
Sequence Modeling, ICML 2023, section 3 and algorithm 1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.sequence.config import LongConvConfig
from models.sequence.layers.mixer import Mixer, Rate, Step, from_channels
from models.sequence.ops.fft import fft_conv
from models.sequence.ops.online import OnlineConv


def squash(k: Tensor, threshold: float) -> Tensor:
    """sign(k) max(|k| - threshold, 0): small taps become 0 (equation 4)."""
    return F.softshrink(k, threshold) if threshold else k


def smooth(k: Tensor, reach: int) -> Tensor:
    """Mean over 2 reach + 1 neighbouring taps of k (..., L), zeros beyond its ends (equation 5)."""
    if not reach:
        return k
    rows = k.flatten(0, -2).unsqueeze(1)
    return F.avg_pool1d(rows, 2 * reach + 1, 1, reach).view(k.shape)


class LongConv(Mixer):
    """C kernels a channel, GELU, and a gated linear map: O(C D L (log L + D)).

    A bidirectional layer has as many kernels again, for later inputs; it is not causal.
    """

    def __init__(self, width: int, longest: int, config: LongConvConfig) -> None:
        super().__init__()
        self.config, self.longest = config, longest
        ways = 2 if config.bidirectional else 1
        self.kernel = nn.Parameter(_kernels(ways * config.channels, width, longest, config.start))
        self.skip = nn.Parameter(torch.randn(config.channels * width))
        self.out = nn.Linear(config.channels * width, 2 * width)
        self.rates = {"kernel": Rate(config.learning_rate), "skip": Rate(1.0)}

    def forward(self, u: Tensor) -> Tensor:
        length = u.shape[1]
        if length > self.longest:
            raise ValueError(f"long_conv: {length} steps, but its kernels reach {self.longest}")
        x = u.transpose(1, 2).repeat(1, self.config.channels, 1)  # (B, C D, L)
        ahead = len(self.skip)
        kernels = self._kernels(length)
        y = fft_conv(x, kernels[:ahead], self.skip)
        if self.config.bidirectional:
            # Tap 0 of the second kernel meets the present as well, as the skip does.
            y = y + fft_conv(x.flip(-1), kernels[ahead:]).flip(-1)
        return self._mapped(y)

    def begin(self, u: Tensor, steps: int) -> tuple[Tensor, Step]:
        """By blocked online convolution. Raises ValueError for a bidirectional layer."""
        if self.config.bidirectional:
            raise ValueError("long_conv: a bidirectional layer cannot go on step by step")
        channels = self.config.channels
        kernels = self._kernels(u.shape[1] + steps)
        kernels = kernels + F.pad(self.skip.unsqueeze(-1), (0, kernels.shape[-1] - 1))
        prompt = u.transpose(1, 2).repeat(1, channels, 1)
        stream = OnlineConv(kernels, len(u), steps, prompt)
        return self(u), lambda u: F.glu(self.out(F.gelu(stream.step(u.repeat(1, channels)))))

    def _mapped(self, y: Tensor) -> Tensor:
        return F.glu(from_channels(self.out, F.gelu(y)))

    def _kernels(self, length: int) -> Tensor:
        """Smoothed, squashed and, in training, dropped taps: (ways C D, length)."""
        # Smoothed before it is cut: a tap must not depend on how long the input is.
        k = squash(smooth(self.kernel, self.config.smooth), self.config.squash)[..., :length]
        return F.dropout(k, self.config.dropout, self.training).flatten(0, 1)


def _kernels(channels: int, width: int, longest: int, start: str) -> Tensor:
    """(C, D, L): .002 N(0, 1), or .02 N(0, 1) under windows of geometrically growing decay."""
    noise = torch.randn(channels, width, longest)
    if start == "random":
        return 0.002 * noise
    decay = torch.exp(math.log(max(width / 2, 1)) * torch.arange(width) / width)  # (D/2)^(h/D)
    t = torch.arange(longest) / longest
    return 0.02 * noise * torch.exp(-decay.unsqueeze(-1) * t)
