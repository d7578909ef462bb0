"""T1: one transform at the input, every layer and the loss on kept coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.t1.layers import Head, SpectralLayer
from models.t1.modes import Kept
from models.t1.transforms import Transform
from models.t1.unet import UNet


class OnCoefficients(nn.Module):
    """A network between kept DCT coefficients: one transform of the input, none between layers.

    shape: grid trained on. kept: coefficients worked on. Fields on other grids that hold them are
    taken as well: their coefficients are scaled by the square root of the size ratio, as those of
    one function on two grids are.
    """

    grid: Tensor

    def __init__(self, channels: tuple[int, int], shape: Sequence[int], kept: Kept) -> None:
        super().__init__()
        self.channels, self.shape, self.kept = channels, tuple(shape), kept
        self.transform = Transform(shape, kept)
        self._others: dict[tuple[int, ...], Transform] = {}

    def encode(self, u: Tensor) -> Tensor:
        """Kept coefficients (B, C, *modes) of fields, as large as on the trained grid."""
        transform, scale = self._on(tuple(u.shape[2:]))
        return transform(u) * scale

    def decode(self, coefficients: Tensor, shape: Sequence[int]) -> Tensor:
        """The fields (B, C, *shape) of kept coefficients, on any grid that holds them."""
        transform, scale = self._on(tuple(shape))
        return transform.inverse(coefficients) / scale

    def run(self, coefficients: Tensor) -> Tensor:
        """(B, C_in, *modes) -> (B, C_out, *modes): all that is learnt."""
        raise NotImplementedError

    def forward(self, u: Tensor) -> Tensor:
        return self.decode(self.run(self.encode(u)), u.shape[2:])

    def _on(self, shape: tuple[int, ...]) -> tuple[Transform, float]:
        """The transform of a grid and the size of the trained grid's coefficients over its own."""
        if shape == self.shape:
            return self.transform, 1.0
        if shape not in self._others:
            self._others[shape] = Transform(shape, self.kept).to(next(self.parameters()).device)
        return self._others[shape], math.sqrt(math.prod(self.shape) / math.prod(shape))


class T1(OnCoefficients):
    """(B, C_in, *grid) -> (B, C_out, *grid): lift, DCT, layers, head, inverse DCT.

    The pointwise lift of [u, coordinates] and the transform are both linear and act on different
    axes, so the few input channels are transformed and the lift is done on coefficients: the same
    numbers (`forward_reference`) at a cost that hardly knows the grid.

    unet: widths of a U-Net over the coefficients as an image between layers and head (T1+).
    """

    def __init__(
        self,
        channels: tuple[int, int],
        shape: Sequence[int],
        kept: Kept,
        *,
        width: int,
        layers: int,
        hidden: int = 128,
        naive: bool = False,
        unet: Sequence[int] = (),
    ) -> None:
        super().__init__(channels, shape, kept)
        modes = self.transform.kept_shape
        self.lift = nn.Linear(channels[0] + len(shape), width)
        self.layers = nn.ModuleList(SpectralLayer(width, modes, naive=naive) for _ in range(layers))
        self.unet = UNet((width, width), unet) if unet else None
        self.head = Head(width, hidden, channels[1])
        # Coefficients of the coordinates and of the constant one: (1, d + 1, *modes).
        grid = torch.cat([coordinates(shape), torch.ones(1, 1, *shape)], 1)
        self.register_buffer("grid", self.transform(grid), persistent=False)

    def run(self, coefficients: Tensor) -> Tensor:
        d = len(self.shape)
        grid = self.grid.expand(len(coefficients), *self.grid.shape[1:])
        seen = torch.cat([coefficients, grid[:, :d]], 1)
        x = modes_first(seen) @ self.lift.weight.T + modes_first(grid[:, d:]) * self.lift.bias
        return self._after_lift(x)

    def forward_reference(self, u: Tensor) -> Tensor:
        """`forward` as the paper writes it: the lifted field is transformed, W channels of it."""
        grid = coordinates(self.shape).to(u).expand(len(u), -1, *self.shape)
        lifted = self.lift(torch.cat([u, grid], 1).movedim(1, -1)).movedim(-1, 1)
        x = self._after_lift(modes_first(self.transform(lifted)))
        return self.transform.inverse(x)

    def _after_lift(self, x: Tensor) -> Tensor:
        """(*modes, B, W) -> (B, C_out, *modes)."""
        for layer in self.layers:
            x = layer(x)
        if self.unet is not None:
            x = x + modes_first(self.unet(batch_first(x)))
        return batch_first(self.head(x))


class T1U(OnCoefficients):
    """One spectral layer on [u, coordinates], then a U-Net over the coefficients as an image."""

    def __init__(
        self, channels: tuple[int, int], shape: Sequence[int], kept: Kept, *, unet: Sequence[int]
    ) -> None:
        super().__init__(channels, shape, kept)
        inputs = channels[0] + len(shape)
        self.layer = SpectralLayer(inputs, self.transform.kept_shape)
        self.unet = UNet((inputs, channels[1]), unet)
        self.register_buffer("grid", self.transform(coordinates(shape)), persistent=False)

    def run(self, coefficients: Tensor) -> Tensor:
        grid = self.grid.expand(len(coefficients), *self.grid.shape[1:])
        x = modes_first(torch.cat([coefficients, grid], 1))
        return self.unet(batch_first(self.layer(x)))


def coordinates(shape: Sequence[int]) -> Tensor:
    """Cell centres along each axis of the unit square or interval: (1, d, *shape)."""
    axes = [(torch.arange(n) + 0.5) / n for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def modes_first(x: Tensor) -> Tensor:
    """(B, C, *modes) -> (*modes, B, C), where matrix products find what they multiply side by
    side."""
    return x.movedim((0, 1), (-2, -1))


def batch_first(x: Tensor) -> Tensor:
    """(*modes, B, C) -> (B, C, *modes)."""
    return x.movedim((-2, -1), (0, 1))
