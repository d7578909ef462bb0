"""What surrounds the companion layers: the input transform and the fixed residual filters."""

from typing import Literal

import torch
from torch import Tensor, nn

from models.spacetime.kernels import causal_conv


class InputTransform(nn.Module):
    """Takes the level out of a window and puts it back into a forecast; stateless between calls.

    "mean" and "last" subtract one number a window and channel, read off the lag. "seasonal"
    subtracts the value one season before, so a forecast adds corrections to the last season and
    the network's task is a seasonal ARIMA's; it shortens the lag by a season. The buffer `scale`
    divides what is left; training sets it from the size over the train windows.
    """

    scale: Tensor

    def __init__(self, kind: Literal["mean", "last", "seasonal"], season: int) -> None:
        super().__init__()
        self.kind = kind
        self.season = season
        self.register_buffer("scale", torch.ones(()))

    def forward(self, series: Tensor, lag: int) -> Tensor:
        """Windows (B, C, T), T >= lag, to inputs (B, C, T) or, if seasonal, (B, C, T - season).

        Levels are read from the first `lag` steps alone, whatever follows them.
        """
        if self.kind == "seasonal":
            return (series[..., self.season :] - series[..., : -self.season]) / self.scale
        return (series - self._level(series[..., :lag])) / self.scale

    def restore(self, forecast: Tensor, lags: Tensor) -> Tensor:
        """Outputs (B, C, horizon) of the network to forecasts, given the lags (B, C, lag)."""
        steps = forecast * self.scale
        if self.kind != "seasonal":
            return steps + self._level(lags)
        season = lags[..., -self.season :]
        seasons = []
        for part in steps.split(self.season, dim=-1):
            season = season[..., : part.shape[-1]] + part
            seasons.append(season)
        return torch.cat(seasons, dim=-1)

    def _level(self, lags: Tensor) -> Tensor:
        if self.kind == "mean":
            return lags.mean(-1, keepdim=True)
        return lags[..., -1:]


class ChannelMix(nn.Conv1d):
    """A linear map of the channels, the same at every step: (B, D, L) -> (B, D', L).

    A convolution of one tap, computed as one batched product: on a processor its gradients take a
    fraction of the time that the convolution's take.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, kernel_size=1)

    def forward(self, z: Tensor) -> Tensor:
        assert self.bias is not None
        weights = self.weight.squeeze(-1).expand(len(z), -1, -1)
        return torch.baddbmm(self.bias.unsqueeze(-1), weights, z)


class ResidualEmbedding(nn.Module):
    """Copies each channel `copies` times, each copy through a fixed residual filter (section 4.1).

    Copy i takes, by i mod 8, a difference ([1], [1, -1], [1, -2, 1], [1, -3, 3, -1]) or one of
    four moving-average residuals delta - 1/w over w taps, w uniform in [4, longest). Not trained.
    The first w outputs see zeros where the window has no history.
    """

    kernel: Tensor

    def __init__(self, channels: int, copies: int, longest: int) -> None:
        super().__init__()
        kernel = torch.zeros(channels, copies, longest)
        for i, taps in enumerate(kernel.view(channels * copies, longest)):
            order = i % copies % 8
            if order < 4:
                taps[: order + 1] = difference(order)
            else:
                w = int(torch.randint(4, longest, ()))
                taps[0] = 1.0
                taps[:w] -= 1.0 / w
        self.register_buffer("kernel", kernel)

    def forward(self, u: Tensor) -> Tensor:
        """(B, C, L) -> (B, C * copies, L), causal."""
        return causal_conv(u.unsqueeze(2), self.kernel).flatten(1, 2)

    def through(self, u: Tensor, kernel: Tensor) -> Tensor:
        """`forward`, then a convolution with kernel (C * copies, L), as one: (B, C * copies, L).

        The filters are joined before they meet the batch, so its copies need no transform.
        """
        taps = kernel.unflatten(0, self.kernel.shape[:2])
        return causal_conv(u.unsqueeze(2), causal_conv(taps, self.kernel)).flatten(1, 2)


def difference(order: int) -> Tensor:
    """Taps of the order-th difference: alternating binomials, (order + 1,)."""
    taps = torch.ones(1)
    for _ in range(order):
        taps = torch.cat((taps, torch.zeros(1))) - torch.cat((torch.zeros(1), taps))
    return taps
