"""All forecasters of a series behind two functions: fit them, and forecast every test window."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from models.progress import Progress, silent
from models.spacetime.baselines import Ridge, fit_ridge, lag_mean, last_value, seasonal_naive
from models.spacetime.config import ForecastConfig
from models.spacetime.forecaster import SpaceTime
from models.spacetime.train import predict, train_spacetime
from models.spacetime.windows import Array, History
from models.training import torch_threads

NAIVE = ("last_value", "seasonal_naive", "lag_mean")


@dataclass(frozen=True)
class Fitted:
    """One fitted forecaster: a row of the table forecasters, less the names of its series."""

    model: str
    lag: int
    horizon: int
    config: str
    seed: int = 0
    parameters: int = 0
    epochs: int = 0
    train_seconds: float | None = None
    epoch_seconds: float | None = None
    validation_mse: float = math.nan
    weights: bytes | None = None


def fit_forecasters(
    history: History, config: ForecastConfig, progress: Progress = silent
) -> list[Fitted]:
    """Every baseline once and SpaceTime once a seed, for each horizon. Progress counts fits.

    Raises ValueError when a split is too short for one window or a channel is constant.
    """
    total = len(config.horizons) * (len(NAIVE) + 1 + len(config.seeds))
    fits = []
    for fitted in _fits(history, config):
        fits.append(fitted)
        progress(len(fits), total)
    return fits


def forecast(fitted: Fitted, lags: Array) -> Array:
    """Forecasts (n, horizon, C) of standardised lags (n, lag, C) by any fitted forecaster."""
    config = ForecastConfig.model_validate_json(fitted.config)
    match fitted.model:
        case "last_value":
            return last_value(lags, fitted.horizon)
        case "seasonal_naive":
            return seasonal_naive(lags, fitted.horizon, config.season)
        case "lag_mean":
            return lag_mean(lags, fitted.horizon)
        case "ridge":
            arrays = load_arrays(_weights(fitted))
            ridge = Ridge(arrays["weights"], arrays["intercept"], float(arrays["penalty"]))
            return ridge.predict(lags)
        case "spacetime":
            network = SpaceTime(config.model, lags.shape[2], config.season)
            network.load_state_dict(load_tensors(_weights(fitted)))
            with torch_threads(config.train.threads):
                return predict(network, lags, fitted.horizon)
    raise ValueError(f"unknown forecaster {fitted.model!r}")


def forecast_test_windows(history: History, fitted: Fitted) -> dict[str, NDArray[np.generic]]:
    """Every test window's forecast in long form, one row a window, step and channel.

    Columns: target (channel), origin (time of the last lag step), step (1 .. horizon), time, y and
    yhat in the series' own units, scale (the channel's standard deviation over the train rows).
    """
    lags, _ = history.windows("test", fitted.lag, fitted.horizon)
    scaler = history.scaler()
    yhat = scaler.restore(forecast(fitted, lags))  # (n, horizon, C)
    first, _ = history.split_rows("test", fitted.lag)
    window, step, channel = (axis.ravel() for axis in np.indices(yhat.shape))
    origin = first + window + fitted.lag - 1
    return {
        "target": np.array(history.channels)[channel],
        "origin": history.times[origin],
        "step": step + 1,
        "time": history.times[origin + step + 1],
        "y": history.values[origin + step + 1, channel],
        "yhat": yhat.ravel(),
        "scale": scaler.std[channel],
    }


def _fits(history: History, config: ForecastConfig) -> Iterator[Fitted]:
    settings = config.model_dump_json()
    for horizon in config.horizons:
        train, validation = (
            history.windows(split, config.lag, horizon) for split in ("train", "validation")
        )

        def scored(fitted: Fitted, validation: tuple[Array, Array] = validation) -> Fitted:
            error = float(np.square(forecast(fitted, validation[0]) - validation[1]).mean())
            return replace(fitted, validation_mse=error)

        for model in NAIVE:
            yield scored(Fitted(model, config.lag, horizon, settings))
        started = time.perf_counter()
        ridge = fit_ridge(train, validation, config.penalties)
        seconds = time.perf_counter() - started
        arrays = vars(ridge) | {"penalty": np.array(ridge.penalty)}
        yield scored(
            Fitted(
                "ridge",
                config.lag,
                horizon,
                settings,
                parameters=ridge.weights.size + ridge.intercept.size,
                train_seconds=seconds,
                weights=save_arrays(arrays),
            )
        )
        for seed in config.seeds:
            trained = train_spacetime(train, validation, config, seed)
            network = trained.network
            yield Fitted(
                "spacetime",
                config.lag,
                horizon,
                settings,
                seed=seed,
                parameters=sum(p.numel() for p in network.parameters()),
                epochs=trained.epochs,
                train_seconds=trained.train_seconds,
                epoch_seconds=trained.epoch_seconds,
                validation_mse=trained.validation_mse,
                weights=save_tensors(network.state_dict()),
            )


def _weights(fitted: Fitted) -> bytes:
    if fitted.weights is None:
        raise ValueError(f"forecaster {fitted.model} has no weights: fit it again")
    return fitted.weights
