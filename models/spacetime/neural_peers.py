"""Forecasters of the package neuralforecast (Apache-2.0), fitted here like all the others.

The package's own loop samples windows, splits and scales in its own way; its networks are torch
modules, so they can see the very windows, batches and early stop that SpaceTime's fit sees. Zeng
et al. 2023 (DLinear, NLinear), Nie et al. 2023 (PatchTST), Challu et al. 2023 (N-HiTS).
"""

from __future__ import annotations

import logging
from importlib import import_module

import torch
from torch import Tensor

from models.spacetime.config import FitConfig
from models.spacetime.network import ForecastNetwork

PEERS = {"nlinear": "NLinear", "dlinear": "DLinear", "patchtst": "PatchTST", "nhits": "NHITS"}


class NeuralPeer(ForecastNetwork):
    """A network of neuralforecast with its own default sizes; forecasts every channel alone.

    Raises ValueError when the package is not installed.
    """

    def __init__(self, config: FitConfig, channels: int) -> None:
        super().__init__(config.network, channels, config.season)
        try:
            models = import_module("neuralforecast.models")
            losses = import_module("neuralforecast.losses.pytorch")
        except ImportError as error:
            raise ValueError(
                f"{config.model} needs the package neuralforecast: "
                "pip install -e '.[forecast-peers]'"
            ) from error
        logging.getLogger("lightning_fabric.utilities.seed").setLevel(logging.WARNING)
        self.horizon = config.horizon
        inputs = config.lag - (config.season if config.network.transform == "seasonal" else 0)
        self.model = getattr(models, PEERS[config.model])(
            h=config.horizon, input_size=inputs, loss=losses.MSE(), random_seed=config.seed
        )

    def run(self, inputs: Tensor, horizon: int) -> Tensor:
        """Transformed inputs (B, C, L) to forecasts (B, C, horizon), of the horizon it is for."""
        if horizon != self.horizon:
            raise ValueError(f"fitted for horizon {self.horizon}, not {horizon}")
        series = inputs.reshape(-1, inputs.shape[-1], 1)
        found: Tensor = self.model(
            {
                "insample_y": series,
                "insample_mask": torch.ones_like(series),
                "futr_exog": None,
                "hist_exog": None,
                "stat_exog": None,
            }
        )
        return found.reshape(*inputs.shape[:2], horizon)
