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

from models.t1 import modes
from models.t1.config import ModelConfig
from models.t1.fno import FNO
from models.t1.modes import Array, Kept
from models.t1.network import T1, T1U, OnCoefficients
from models.t1.peers import NeuralOperator
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

    What T1 reads or predicts has, coefficient by coefficient, the mean and deviation that it has
    over the train samples: coefficients differ in size by orders of magnitude. Networks on the
    grid have one mean and deviation a channel; pixel by pixel they overfit.
    """

    def __init__(
        self,
        config: ModelConfig,
        channels: tuple[int, int],
        shape: Sequence[int],
        kept: Kept,
    ) -> None:
        super().__init__()
        self.u_mean: Tensor
        self.u_scale: Tensor
        self.y_mean: Tensor
        self.y_scale: Tensor
        self.config, self.channels, self.shape, self.kept = config, channels, tuple(shape), kept
        self.network = build_network(config, channels, shape, kept)
        blank = self.net.encode(torch.zeros(1, sum(channels), *shape))
        self._by_coefficient = isinstance(self.network, OnCoefficients)
        if not self._by_coefficient:
            blank = blank.mean(tuple(range(2, blank.ndim)), keepdim=True)
        for side, part in zip(("u", "y"), blank.split(channels, 1), strict=True):
            self.register_buffer(f"{side}_mean", torch.zeros_like(part))
            self.register_buffer(f"{side}_scale", torch.ones_like(part))

    def set_scales(self, u: Tensor, y: Tensor) -> None:
        """Takes the scales of encoded train fields (n, C, *)."""
        for side, fields in (("u", u), ("y", y)):
            mean, scale = getattr(self, f"{side}_mean"), getattr(self, f"{side}_scale")
            grid = range(2, fields.ndim)
            over = (0,) if self._by_coefficient else (0, *grid)
            mean.copy_(fields.mean(over, keepdim=True))
            deviation = fields.std(over, keepdim=True, correction=0)
            least = _LEAST_SCALE * deviation.square().mean().sqrt() + 1e-12
            scale.copy_(torch.hypot(deviation, least))

    def standardised(self, u: Tensor) -> Tensor:
        """Encoded inputs (B, C, *) as the network reads them."""
        return (u - self.u_mean) / self.u_scale

    def run(self, standardised: Tensor) -> Tensor:
        """Standardised inputs -> encoded outputs, in the outputs' own unit."""
        return self.net.run(standardised) * self.y_scale + self.y_mean

    def forward(self, u: Tensor) -> Tensor:
        """(B, C_in, *grid) -> (B, C_out, *grid)."""
        encoded = self.net.encode(u)
        return self.net.decode(self.run(self.standardised(encoded)), u.shape[2:])

    @property
    def net(self) -> Network:
        return cast(Network, self.network)

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
        case "neuraloperator_fno" | "neuraloperator_tfno":
            return NeuralOperator(
                channels, [config.modes] * len(shape), width=config.width, layers=config.layers,
                tucker=config.model == "neuraloperator_tfno",
            )  # fmt: skip
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
    if not config.model.startswith("t1"):
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
    """Trained numbers; a complex one counts twice."""
    return sum(math.prod(p.shape) * (2 if p.is_complex() else 1) for p in module.parameters())
