"""Networks of SpaceTime's width and depth: diagonal state spaces, an LSTM, a Transformer.

All three forecast as S4's Informer tasks do (Gu et al. 2022, section 4.4): the lag followed by
`horizon` empty steps goes in, what stands at the empty steps comes out, in one pass.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.spacetime.config import ModelConfig
from models.spacetime.kernels import causal_conv
from models.spacetime.layers import ChannelMix
from models.spacetime.network import ForecastNetwork

_HEADS = 4


class SequenceNetwork(ForecastNetwork):
    """Inputs and a flag for the steps to be filled -> D channels -> layers -> readout."""

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__(config, channels, season)
        self.embedding = nn.Linear(self.inside + 1, self.width)
        self.readout = nn.Linear(self.width, self.inside)

    @abstractmethod
    def layers(self, z: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""

    def run(self, inputs: Tensor, horizon: int) -> Tensor:
        flag = torch.zeros_like(inputs[:, :1])
        known = torch.cat((inputs, flag), dim=1)
        steps = F.pad(known, (0, horizon))
        steps[:, -1, -horizon:] = 1.0
        z = self.layers(self.embedding(steps.transpose(1, 2)))
        filled: Tensor = self.readout(z[:, -horizon:])
        return filled.transpose(1, 2)


class DiagonalSSM(nn.Module):
    """S4D (Gu et al., NeurIPS 2022): x' = diag(lambda) x + B u, discretised by zero-order hold.

    `state` real numbers of state are state / 2 conjugate pairs, lambda_n = -1/2 + i pi n at the
    start (S4D-Lin); the step sizes, log-uniform in [0.001, 0.1], are trained as well.
    """

    def __init__(self, channels: int, state: int) -> None:
        super().__init__()
        pairs = max(state // 2, 1)
        steps = torch.rand(channels) * (
            torch.log(torch.tensor(0.1)) - torch.log(torch.tensor(1e-3))
        )
        self.log_step = nn.Parameter(steps + torch.log(torch.tensor(1e-3)))
        self.log_decay = nn.Parameter(torch.log(torch.full((channels, pairs), 0.5)))
        self.frequency = nn.Parameter(torch.pi * torch.arange(pairs).repeat(channels, 1).float())
        self.c = nn.Parameter(torch.randn(channels, pairs, 2) * 0.5**0.5)
        self.skip = nn.Parameter(torch.randn(channels))

    def kernel(self, length: int) -> Tensor:
        """k_t = 2 Re sum_n C_n B_n exp(t step lambda_n), (D, length); B_n from the hold."""
        rate = torch.complex(-self.log_decay.exp(), self.frequency)  # lambda (D, N / 2)
        held = rate * self.log_step.exp().unsqueeze(-1)
        weights = torch.view_as_complex(self.c) * (held.exp() - 1) / rate
        powers = torch.exp(held.unsqueeze(-1) * torch.arange(length, device=held.device))
        kernel: Tensor = 2 * torch.einsum("dn,dnt->dt", weights, powers).real
        return kernel

    def forward(self, u: Tensor) -> Tensor:
        """(B, D, L) -> (B, D, L), causal."""
        return causal_conv(u, self.kernel(u.shape[-1])) + self.skip.unsqueeze(-1) * u


class S4D(SequenceNetwork):
    """Blocks z + mix(gelu(ssm(z))) + gelu(ssm(z)), as SpaceTime's encoder has them."""

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__(config, channels, season)
        depth = config.blocks + 1
        self.ssms = nn.ModuleList(DiagonalSSM(self.width, config.state) for _ in range(depth))
        self.mixes = nn.ModuleList(ChannelMix(self.width, self.width) for _ in range(depth))
        self.dropout = nn.Dropout(config.dropout)

    def layers(self, z: Tensor) -> Tensor:
        z = z.transpose(1, 2)
        for ssm, mix in zip(self.ssms, self.mixes, strict=True):
            y = self.dropout(F.gelu(ssm(z)))
            z = z + y + mix(y)
        return z.transpose(1, 2)


class LSTM(SequenceNetwork):
    """Stacked LSTM layers, one for each of SpaceTime's state-space layers."""

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__(config, channels, season)
        self.lstm = nn.LSTM(
            self.width, self.width, config.blocks + 1, batch_first=True, dropout=config.dropout
        )

    def layers(self, z: Tensor) -> Tensor:
        out: Tensor = self.lstm(z)[0]
        return out


class Transformer(SequenceNetwork):
    """Pre-norm encoder layers with sinusoidal positions; every step attends to all of them."""

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__(config, channels, season)
        if self.width % _HEADS:
            raise ValueError(f"width {self.width} must be a multiple of {_HEADS} attention heads")
        layer = nn.TransformerEncoderLayer(
            self.width, _HEADS, 4 * self.width, config.dropout, "gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(
            layer, config.blocks + 1, norm=nn.LayerNorm(self.width), enable_nested_tensor=False
        )

    def layers(self, z: Tensor) -> Tensor:
        out: Tensor = self.encoder(z + positions(z.shape[1], self.width).to(z))
        return out


def positions(length: int, width: int) -> Tensor:
    """Sines and cosines of wavelengths 2 pi to 20000 pi steps, (length, width)."""
    frequency = 1e4 ** (-torch.arange(0, width, 2) / width)
    angle = torch.arange(length).unsqueeze(-1) * frequency
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :width]
