"""The SpaceTime forecaster: embedding, open-loop encoder, closed-loop decoder, readout.

Section 3.2 and figure 3 of the paper; sizes and the three-term loss follow its code.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.spacetime.config import ModelConfig, TrainConfig
from models.spacetime.layers import ChannelMix, ResidualEmbedding
from models.spacetime.network import ForecastNetwork, rmse
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
        self.mix = ChannelMix(kernels * heads, kernels * heads)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, z: Tensor) -> Tensor:
        return self.join(z, self.ssm(z))

    def join(self, z: Tensor, y: Tensor) -> Tensor:
        """What the block makes of its input z and its state space's output y, both (B, D, L)."""
        y = self.dropout(F.gelu(y))
        mixed: Tensor = self.mix(y)
        return z + y + mixed


class SpaceTime(ForecastNetwork):
    """Forecasts all channels of a window to any horizon in one forward pass.

    channels: C of the series. The width D = C * kernels * heads follows from it: channel c is
    copied to its own D / C places, the encoder's `mix` and the readout mix them.
    """

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__(config, channels, season)
        copies = config.kernels * config.heads
        self.embedding = ResidualEmbedding(self.inside, copies, config.max_average)
        # Only the first block ties kernels over heads; later ones have one a channel.
        self.encoder = nn.Sequential(
            EncoderBlock(config, self.inside * config.kernels, config.heads),
            *(EncoderBlock(config, self.width, 1) for _ in range(config.blocks - 1)),
        )
        self.decoder = ClosedLoopSSM(self.width, config.state)
        self.readout = nn.Sequential(
            nn.GELU(), nn.Dropout(config.dropout), ChannelMix(self.width, self.inside)
        )

    def run(self, inputs: Tensor, horizon: int) -> Tensor:
        """Transformed inputs (B, C, L) to transformed forecasts (B, C, horizon). Equations 5-7."""
        closed = self.decoder.forecast(self.encode(inputs), horizon)
        forecast: Tensor = self.readout(closed)
        return forecast

    def loss(self, lags: Tensor, target: Tensor, config: TrainConfig) -> Tensor:
        """The weighted sum of the three losses."""
        losses = self.losses(lags, target)
        return (
            losses.forecast
            + config.lag_weight * losses.lag
            + config.input_weight * losses.next_input
        )

    def losses(self, lags: Tensor, target: Tensor) -> Losses:
        """Errors of the forecast, of the one-step forecasts over the lag, of the next inputs.

        lags (B, L, C), target (B, horizon, C), both standardised. The two errors over the lag skip
        the first d - 1 steps, while the state still fills; the encoder's outputs are not detached
        as targets. Losses of the paper's code, each a root mean square over the whole batch.
        """
        lag, skipped = lags.shape[1], self.config.state - 1
        series = self.split(torch.cat((lags, target[:, :1]), dim=1))
        inputs = self.transform(series, lag)  # the one step past the lag is a target only
        z = self.encode(inputs[..., :-1])
        closed, open_loop, next_input = self.decoder(z, target.shape[1])
        forecast = self.transform.restore(self.readout(closed), series[..., :-1])
        one_step = self.readout(open_loop[..., skipped:])
        return Losses(
            forecast=rmse(forecast - self.split(target)) / self.transform.scale,
            lag=rmse(one_step - inputs[..., skipped + 1 :]),
            next_input=rmse(next_input[..., skipped:-1] - z[..., skipped + 1 :]),
        )

    def encode(self, inputs: Tensor) -> Tensor:
        """Transformed inputs (B, C, L) to the decoder's inputs z (B, D, L)."""
        return encode(self.embedding, self.encoder, inputs)


def encode(embedding: ResidualEmbedding, encoder: nn.Sequential, inputs: Tensor) -> Tensor:
    """Embedding and encoder blocks of (B, C, L), (B, D, L); the first two convolutions as one."""
    first = encoder[0]
    assert isinstance(first, EncoderBlock)
    kernel = first.ssm.kernel(inputs.shape[-1])
    z = first.join(embedding(inputs), embedding.through(inputs, kernel))
    encoded: Tensor = encoder[1:](z)
    return encoded
