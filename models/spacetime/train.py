"""Fits one SpaceTime network: AdamW, warm-up and cosine, early stop, best weights kept."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.progress import Progress, silent
from models.spacetime.config import ForecastConfig, TrainConfig
from models.spacetime.forecaster import SpaceTime
from models.spacetime.windows import Array
from models.training import torch_threads, warmup_cosine

# Predictions in batches of this size: as fast as any, and the memory stays small.
_PREDICT_BATCH = 512
# Inputs have the size 1 / _HEADROOM, where GELU is nearly linear: smooth series need little more.
_HEADROOM = 3.0


@dataclass(frozen=True)
class Trained:
    """A fitted network (in evaluation mode) and what its fitting took."""

    network: SpaceTime
    epochs: int
    train_seconds: float
    epoch_seconds: float
    validation_mse: float


def train_spacetime(
    train: tuple[Array, Array],
    validation: tuple[Array, Array],
    config: ForecastConfig,
    seed: int,
    progress: Progress = silent,
) -> Trained:
    """Fits a network on standardised windows: lags (n, L, C) and horizons (n, H, C).

    Keeps the weights of the epoch with the smallest mean squared error over every validation
    window. Same data, config, seed and machine give the same weights. Progress counts epochs.
    Raises ValueError when training diverges.
    """
    settings = config.train
    lags, targets = (_tensor(part[:: settings.stride]) for part in train)
    # Weights and dropout draw from torch's global generator: its state is put back afterwards.
    with torch.random.fork_rng(devices=[]), torch_threads(settings.threads):
        torch.manual_seed(seed)
        network = SpaceTime(config.model, lags.shape[2], config.season)
        _set_scale(network, lags)
        order = torch.Generator().manual_seed(seed)
        steps = math.ceil(len(lags) / settings.batch) * settings.epochs
        warmup = round(settings.warmup * steps)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, steps, warmup)
        )
        best, best_error, best_epoch, epoch = network.state_dict(), math.inf, 0, 0
        started = time.perf_counter()
        for epoch in range(1, settings.epochs + 1):
            network.train()
            for rows in torch.randperm(len(lags), generator=order).split(settings.batch):
                loss = _total_loss(network, lags[rows], targets[rows], settings)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            error = mean_squared_error(network, validation)
            if error < best_error:
                best, best_error, best_epoch = copy.deepcopy(network.state_dict()), error, epoch
            progress(epoch, settings.epochs)
            if epoch - best_epoch >= settings.patience:
                break
        seconds = time.perf_counter() - started
    if not math.isfinite(best_error):
        raise ValueError(f"training diverged with seed {seed}: lower the learning rate")
    network.load_state_dict(best)
    return Trained(network.eval(), epoch, seconds, seconds / epoch, best_error)


def predict(network: SpaceTime, lags: Array, horizon: int) -> Array:
    """Forecasts (n, horizon, C) of standardised lags (n, L, C), without dropout."""
    network.eval()
    with torch.inference_mode():
        parts = [network(part, horizon) for part in _tensor(lags).split(_PREDICT_BATCH)]
    return torch.cat(parts).double().numpy()


def mean_squared_error(network: SpaceTime, windows: tuple[Array, Array]) -> float:
    """Over all windows, steps and channels; no average of batch averages."""
    lags, targets = windows
    return float(np.square(predict(network, lags, targets.shape[1]) - targets).mean())


def _total_loss(network: SpaceTime, lags: Tensor, targets: Tensor, config: TrainConfig) -> Tensor:
    losses = network.losses(lags, targets)
    return (
        losses.forecast + config.lag_weight * losses.lag + config.input_weight * losses.next_input
    )


def _set_scale(network: SpaceTime, lags: Tensor) -> None:
    """Measures the transformed train inputs, so that any series enters the network alike."""
    inputs = network.transform(lags.transpose(1, 2), lags.shape[1])
    size = inputs.square().mean().sqrt().clamp(min=1e-6)
    network.transform.scale.copy_(_HEADROOM * size)


def _tensor(windows: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
