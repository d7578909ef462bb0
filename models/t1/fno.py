"""The Fourier neural operator (Li et al. 2021), the peer that T1 is measured against.

Each layer transforms forth and back: y = act(irfft(R . rfft(x)) + W x). The transforms are pruned:
along every axis but the last-but-none only the kept columns are transformed, which a plain rfft2
does not do; so no layer here is slower than it needs to be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.t1.network import coordinates


class FourierLayer(nn.Module):
    """irfft(R . rfft(x)): another complex matrix for each of the lowest Fourier modes.

    modes: m keeps wave numbers -m to m - 1 on all axes but the last, and 0 to m - 1 on the last,
    where the other half follows from the field being real: what papers call m modes.
    """

    def __init__(self, width: int, modes: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        for axis, (m, n) in enumerate(zip(modes, shape, strict=True)):
            if 2 * m > n:
                raise ValueError(
                    f"modes {m} of an FNO on grid axis {axis} of {n} points: give 1 to {n // 2}"
                )
        self.modes = tuple(modes)
        kept = [*(2 * m for m in modes[:-1]), modes[-1]]
        scale = 1.0 / (width * width)
        self.weight = nn.Parameter(scale * torch.rand(math.prod(kept), width, width, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, W, *grid) -> (B, W, *grid)."""
        m, grid = self.modes, x.shape[2:]
        spectrum = torch.fft.rfft(x, norm="forward")[..., : m[-1]]
        if len(grid) == 2:
            spectrum = torch.fft.fft(spectrum, dim=-2, norm="forward")
            spectrum = torch.cat([spectrum[..., : m[0], :], spectrum[..., -m[0] :, :]], -2)
        kept = spectrum.shape[2:]
        rows = spectrum.flatten(2).permute(2, 0, 1)  # (M, B, W)
        mixed = torch.bmm(rows, torch.view_as_complex(self.weight)).permute(1, 2, 0)
        mixed = mixed.reshape(*x.shape[:2], *kept)
        if len(grid) == 2:
            gap = mixed.new_zeros(*x.shape[:2], grid[0] - 2 * m[0], kept[1])
            mixed = torch.cat([mixed[..., : m[0], :], gap, mixed[..., m[0] :, :]], -2)
            mixed = torch.fft.ifft(mixed, dim=-2, norm="forward")
        return torch.fft.irfft(mixed, n=grid[-1], norm="forward")


class FNO(nn.Module):
    """(B, C_in, *grid) -> (B, C_out, *grid): lift, Fourier layers, projection, all pointwise."""

    def __init__(
        self,
        channels: tuple[int, int],
        shape: Sequence[int],
        modes: Sequence[int],
        *,
        width: int,
        layers: int,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.channels, self.shape = channels, tuple(shape)
        conv = nn.Conv1d if len(shape) == 1 else nn.Conv2d
        self.lift = conv(channels[0] + len(shape), width, 1)
        self.spectral = nn.ModuleList(FourierLayer(width, modes, shape) for _ in range(layers))
        self.skip = nn.ModuleList(conv(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(
            conv(width, hidden, 1), nn.GELU(), conv(hidden, channels[1], 1)
        )

    def encode(self, u: Tensor) -> Tensor:
        """Fields as they are: an FNO works on the grid."""
        return u

    def decode(self, y: Tensor, shape: Sequence[int]) -> Tensor:
        return y

    def run(self, u: Tensor) -> Tensor:
        grid = coordinates(u.shape[2:]).to(u).expand(len(u), -1, *u.shape[2:])
        x = self.lift(torch.cat([u, grid], 1))
        last = len(self.spectral) - 1
        for i, (spectral, skip) in enumerate(zip(self.spectral, self.skip, strict=True)):
            x = spectral(x) + skip(x)
            x = F.gelu(x) if i < last else x
        return self.project(x)

    def forward(self, u: Tensor) -> Tensor:
        return self.run(u)
