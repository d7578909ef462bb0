"""An operator as it is used: a network with the scales of its data, from fields to fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from models.t1 import modes
from models.t1.config import ModelConfig
from models.t1.fno import FNO
from models.t1.modes import Array, Kept
from models.t1.network import T1, T1U
from models.t1.unet import UNetOperator, doubling

_PREDICT_BATCH = 32
_PLUS_SIZES = 2  # image sizes of the U-Net in a T1+
# Numbers that hardly vary over the samples are not blown up to unit variance: the least scale,
# relative to the root mean square of all scales.
_LEAST_SCALE = 0.01


class Network(Protocol):
    """What T1, FNO and U-Net have in common: they learn between encoded fields."""

    def encode(self, u: Tensor) -> Tensor:
        """Fields (B, C, *grid) -> what the network reads, and what its loss compares."""

    def run(self, encoded: Tensor) -> Tensor:
        """Encoded inputs -> encoded outputs."""

    def decode(self, encoded: Tensor, shape: Sequence[int]) -> Tensor:
        """Encoded outputs -> fields (B, C, *shape)."""


class Operator(nn.Module):
    """A network between standardised numbers: fields of a grid, or kept coefficients.

    Each number a network reads or predicts has the mean and the deviation that it has over the
    train samples: pixel by pixel for networks on the grid, as is the custom with FNO, coefficient
    by coefficient for T1, whose coefficients differ in size by orders of magnitude.
    """

    def __init__(
        self,
        config: ModelConfig,
        channels: tuple[int, int],
        shape: Sequence[int],
        kept: Kept,
    ) -> None:
        super().__init__()
        self.config, self.channels, self.shape, self.kept = config, channels, tuple(shape), kept
        self.network = build_network(config, channels, shape, kept)
        # The scales have the shape of what is encoded: grid or kept coefficients.
        blank = self.net.encode(torch.zeros(1, channels[0] + channels[1], *shape))
        for side, part in zip(("u", "y"), blank.split(channels, 1), strict=True):
            self.register_buffer(f"{side}_mean", torch.zeros_like(part))
            self.register_buffer(f"{side}_scale", torch.ones_like(part))

    def set_scales(self, u: Tensor, y: Tensor) -> None:
        """Takes the scales of encoded train fields (n, C, *)."""
        for side, fields in (("u", u), ("y", y)):
            mean, scale = fields.mean(0, keepdim=True), fields.std(0, keepdim=True, correction=0)
            least = _LEAST_SCALE * scale.square().mean().sqrt() + 1e-12
            getattr(self, f"{side}_mean").copy_(mean)
            getattr(self, f"{side}_scale").copy_(torch.hypot(scale, least))

    def standardised(self, u: Tensor) -> Tensor:
        """Encoded inputs (B, C, *) as the network reads them."""
        mean, scale = self._scales("u", u.shape[2:])
        return (u - mean) / scale

    def run(self, standardised: Tensor) -> Tensor:
        """Standardised inputs -> encoded outputs, in the outputs' own unit."""
        y = self.net.run(standardised)
        mean, scale = self._scales("y", y.shape[2:])
        return y * scale + mean

    def forward(self, u: Tensor) -> Tensor:
        """(B, C_in, *grid) -> (B, C_out, *grid)."""
        encoded = self.net.encode(u)
        return self.net.decode(self.run(self.standardised(encoded)), u.shape[2:])

    @property
    def net(self) -> Network:
        return cast(Network, self.network)

    def _scales(self, side: str, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Mean and deviation, interpolated where a network on the grid meets another grid."""
        mean, scale = getattr(self, f"{side}_mean"), getattr(self, f"{side}_scale")
        if mean.shape[2:] == shape:
            return mean, scale
        mode = "linear" if len(shape) == 1 else "bilinear"
        on = [F.interpolate(part, size=tuple(shape), mode=mode) for part in (mean, scale)]
        return on[0], on[1]

    def predict(self, u: Array) -> NDArray[np.float32]:
        """Outputs (n, C_out, *grid) for inputs (n, C_in, *grid), on any grid that holds the modes.

        Raises ValueError for NaN or infinite values, other channels or a grid too coarse.
        """
        check_fields(u, self.channels[0], len(self.shape))
        self.eval()
        device = self.u_mean.device
        with torch.inference_mode():
            batches = torch.as_tensor(np.asarray(u, np.float32)).split(_PREDICT_BATCH)
            parts = [self(batch.to(device)).cpu() for batch in batches]
        return torch.cat(parts).numpy()


def to_bytes(operator: Operator) -> bytes:
    """Scales and weights as safetensors."""
    return save({name: part.contiguous() for name, part in operator.state_dict().items()})


def from_bytes(
    weights: bytes,
    config: ModelConfig,
    channels: tuple[int, int],
    shape: Sequence[int],
    kept: Kept,
) -> Operator:
    """The operator whose weights these are, ready to predict."""
    operator = Operator(config, channels, shape, kept)
    operator.load_state_dict(load(weights))
    return operator.eval()


def build_network(
    config: ModelConfig, channels: tuple[int, int], shape: Sequence[int], kept: Kept
) -> nn.Module:
    """The network of a config. Raises ValueError when the grid cannot hold its modes."""
    widths = doubling(config.width, config.layers)
    match config.model:
        case "fno":
            return FNO(
                channels, shape, [config.modes] * len(shape),
                width=config.width, layers=config.layers, hidden=config.hidden,
            )  # fmt: skip
        case "unet":
            return UNetOperator(channels, widths)
        case "t1_u":
            return T1U(channels, shape, kept, unet=widths)
        case "t1" | "t1_plus":
            return T1(
                channels, shape, kept, width=config.width, layers=config.layers,
                hidden=config.hidden, naive=config.naive,
                unet=doubling(config.width, _PLUS_SIZES) if config.model == "t1_plus" else (),
            )  # fmt: skip


def choose_modes(config: ModelConfig, u: Array, y: Array) -> Kept:
    """The coefficients that this config keeps, by its rule and from train fields alone.

    Empty for networks on the grid. Raises ValueError when the grid has fewer.
    """
    if config.model in ("fno", "unet"):
        return ()
    counts = [config.modes] * (y.ndim - 2)
    match config.selection:
        case "lowest":
            return modes.lowest(counts, y.shape[2:])
        case "energy":
            return modes.by_energy(counts, y)
        case "explained":
            return modes.by_explained_variance(counts, u, y)


def check_fields(fields: Array, channels: int, axes: int) -> None:
    """Raises ValueError unless fields are finite and shaped (n, channels, *grid)."""
    if fields.ndim != 2 + axes or fields.shape[1] != channels:
        raise ValueError(
            f"fields of {channels} channels on a grid of {axes} axes expected, got an array of "
            f"shape {fields.shape}"
        )
    bad = ~np.isfinite(fields).reshape(len(fields), -1).all(1)
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {len(fields)} fields hold NaN or infinity, the first at sample "
            f"{int(np.argmax(bad))}: leave them out"
        )


def parameter_count(module: nn.Module) -> int:
    return sum(math.prod(p.shape) for p in module.parameters())
