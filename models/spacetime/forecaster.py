"""The SpaceTime forecaster: embedding, open-loop encoder, closed-loop decoder, readout.

Section 3.2 and figure 3 of the paper; sizes and the three-term loss follow its code.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.spacetime.config import ModelConfig
from models.spacetime.layers import InputTransform, ResidualEmbedding
from models.spacetime.ssm import ClosedLoopSSM, CompanionSSM


@dataclass(frozen=True)
class Losses:
    """The three root mean squared errors of one batch, in units of the transformed inputs."""

    forecast: Tensor
    lag: Tensor
    next_input: Tensor


class EncoderBlock(nn.Module):
    """z + mix(gelu(ssm(z))) + gelu(ssm(z)), channels-first (B, D, L) -> (B, D, L)."""

    def __init__(self, config: ModelConfig, kernels: int, heads: int) -> None:
        super().__init__()
        self.ssm = CompanionSSM(kernels, heads, config.state)
        self.mix = nn.Conv1d(kernels * heads, kernels * heads, kernel_size=1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, z: Tensor) -> Tensor:
        y: Tensor = self.dropout(F.gelu(self.ssm(z)))
        mixed: Tensor = self.mix(y)
        return z + y + mixed


class SpaceTime(nn.Module):
    """Forecasts all channels of a window to any horizon in one forward pass.

    channels: C of the series. The width D = C * kernels * heads follows from it: channel c is
    copied to its own D / C places, the encoder's `mix` and the readout mix them.
    season: period of the series [steps], read by the seasonal input transform only.
    """

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__()
        self.config = config
        copies = config.kernels * config.heads
        width = channels * copies
        self.transform = InputTransform(config.transform, season)
        self.embedding = ResidualEmbedding(channels, copies, config.max_average)
        # Only the first block ties kernels over heads; later ones have one a channel.
        self.encoder = nn.Sequential(
            EncoderBlock(config, channels * config.kernels, config.heads),
            *(EncoderBlock(config, width, 1) for _ in range(config.blocks - 1)),
        )
        self.decoder = ClosedLoopSSM(width, config.state)
        self.readout = nn.Sequential(
            nn.GELU(), nn.Dropout(config.dropout), nn.Conv1d(width, channels, kernel_size=1)
        )

    def forward(self, lags: Tensor, horizon: int) -> Tensor:
        """Standardised lags (B, L, C) to forecasts (B, horizon, C). Equations 5 to 7."""
        series = lags.transpose(1, 2).contiguous()  # (B, C, L)
        z = self.encode(self.transform(series, series.shape[-1]))
        closed, _, _ = self.decoder(z, horizon)
        return self.transform.restore(self.readout(closed), series).transpose(1, 2)

    def losses(self, lags: Tensor, target: Tensor) -> Losses:
        """Errors of the forecast, of the one-step forecasts over the lag, of the next inputs.

        lags (B, L, C), target (B, horizon, C), both standardised. The two errors over the lag skip
        the first d - 1 steps, while the state still fills; the encoder's outputs are not detached
        as targets. Losses of the paper's code, each a root mean square over the whole batch.
        """
        lag, skipped = lags.shape[1], self.config.state - 1
        series = torch.cat((lags, target[:, :1]), dim=1).transpose(1, 2).contiguous()
        inputs = self.transform(series, lag)  # the one step past the lag is a target only
        z = self.encode(inputs[..., :-1])
        closed, open_loop, next_input = self.decoder(z, target.shape[1])
        forecast = self.transform.restore(self.readout(closed), series[..., :-1])
        one_step = self.readout(open_loop[..., skipped:])
        return Losses(
            forecast=_rmse(forecast - target.transpose(1, 2)) / self.transform.scale,
            lag=_rmse(one_step - inputs[..., skipped + 1 :]),
            next_input=_rmse(next_input[..., skipped:-1] - z[..., skipped + 1 :]),
        )

    def encode(self, inputs: Tensor) -> Tensor:
        """Transformed inputs (B, C, L) to the decoder's inputs z (B, D, L)."""
        encoded: Tensor = self.encoder(self.embedding(inputs))
        return encoded


def _rmse(error: Tensor) -> Tensor:
    # The tiny term keeps the gradient finite where a series is predicted without any error.
    return (error.square().mean() + 1e-12).sqrt()
