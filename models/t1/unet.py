"""A U-Net over images of any size: peer on the grid, and the network of T1U on coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """(B, C_in, X, Y) -> (B, C_out, X, Y): halves the image len(widths) - 1 times and comes back.

    widths: channels at each size, the largest image first. Odd sizes halve upwards.
    """

    def __init__(self, channels: tuple[int, int], widths: Sequence[int]) -> None:
        super().__init__()
        ins = [channels[0], *widths[:-1]]
        self.down = nn.ModuleList(_block(i, o) for i, o in zip(ins, widths, strict=True))
        pairs = list(pairwise(widths))[::-1]
        self.up = nn.ModuleList(_block(low + high, high) for high, low in pairs)
        self.project = nn.Conv2d(widths[0], channels[1], 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"a U-Net works on two grid axes, the field has {x.ndim - 2}")
        skips: list[Tensor] = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2, ceil_mode=True) if i else x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            skip = skips.pop()
            x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], 1))
        return self.project(x)


class UNetOperator(nn.Module):
    """The U-Net on [u], field to field: what a peer without any transform reaches."""

    def __init__(self, channels: tuple[int, int], widths: Sequence[int]) -> None:
        super().__init__()
        self.unet = UNet(channels, widths)

    def encode(self, u: Tensor) -> Tensor:
        """Fields as they are."""
        return u

    def decode(self, y: Tensor, shape: Sequence[int]) -> Tensor:
        return y

    def run(self, u: Tensor) -> Tensor:
        return self.unet(u)

    def forward(self, u: Tensor) -> Tensor:
        return self.unet(u)


def doubling(width: int, sizes: int) -> list[int]:
    """Widths that double from one image size to the next."""
    return [width * 2**i for i in range(sizes)]


def _block(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1), nn.GroupNorm(1, width), nn.GELU(),
        nn.Conv2d(width, width, 3, padding=1), nn.GELU(),
    )  # fmt: skip
