"""What every trained forecaster here is: windows in, forecasts out, a loss of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from models.spacetime.config import ModelConfig, TrainConfig
from models.spacetime.layers import InputTransform

# Inputs have the size 1 / _HEADROOM, where GELU is nearly linear: smooth series need little more.
_HEADROOM = 3.0


class ForecastNetwork(nn.Module, ABC):
    """Forecasts the channels of a window, all from all or each from itself alone.

    Subclasses see transformed, channels-first windows; `inside` is the number of channels they
    see at a time, 1 when channels are forecast apart. season: period of the series [steps], read
    by the seasonal input transform only.
    """

    def __init__(self, config: ModelConfig, channels: int, season: int) -> None:
        super().__init__()
        self.config = config
        self.inside = 1 if config.channels == "apart" else channels
        self.transform = InputTransform(config.transform, season)

    @property
    def width(self) -> int:
        """D, the same for every kind of network: channels * kernels * heads."""
        return self.inside * self.config.kernels * self.config.heads

    @abstractmethod
    def run(self, inputs: Tensor, horizon: int) -> Tensor:
        """Transformed inputs (B, C, L) to transformed forecasts (B, C, horizon)."""

    def forward(self, lags: Tensor, horizon: int) -> Tensor:
        """Standardised lags (B, L, C) to forecasts (B, horizon, C)."""
        series = self.split(lags)
        inputs = self.transform(series, series.shape[-1])
        forecast = self.transform.restore(self.run(inputs, horizon), series)
        return forecast.reshape(len(lags), lags.shape[2], horizon).transpose(1, 2)

    def loss(self, lags: Tensor, target: Tensor, config: TrainConfig) -> Tensor:
        """Root mean squared error of the forecasts, in units of the transformed inputs."""
        return rmse(self(lags, target.shape[1]) - target) / self.transform.scale

    def split(self, windows: Tensor) -> Tensor:
        """Windows (B, L, C) channels-first, (B, C, L); channels apart are windows of their own."""
        series = windows.transpose(1, 2).contiguous()
        return series.reshape(-1, self.inside, series.shape[-1])

    def set_scale(self, lags: Tensor) -> None:
        """Measures transformed train inputs, so that any series enters the network alike."""
        series = self.split(lags)
        inputs = self.transform(series, series.shape[-1])
        size = inputs.square().mean().sqrt().clamp(min=1e-6)
        self.transform.scale.copy_(_HEADROOM * size)


def rmse(error: Tensor) -> Tensor:
    """Root mean square; the tiny term keeps the gradient finite where there is no error."""
    return torch.sqrt(error.square().mean() + 1e-12)
