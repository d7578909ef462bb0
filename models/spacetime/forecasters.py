"""All forecasters of a series behind two functions: fit them, and forecast every window."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from models.progress import Progress, silent
from models.spacetime.arima import Arima, fit_arima
from models.spacetime.baselines import Ridge, fit_ridge, lag_mean, last_value, seasonal_naive
from models.spacetime.config import FitConfig
from models.spacetime.forecast_config import ForecastConfig
from models.spacetime.intervals import conformal_radius, tracked_radius
from models.spacetime.train import network_of, predict, train_network
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
    radius: list[float] = field(default_factory=list)  # (horizon, C) in C order, standardised


def fit_forecasters(
    history: History, config: ForecastConfig, progress: Progress = silent
) -> list[Fitted]:
    """Every fit that a configuration asks for, one after the other. Progress counts fits.

    Raises ValueError when a split is too short for one window or a channel is constant.
    """
    fits, found = config.fits(), []
    for done, one in enumerate(fits, start=1):
        found += fit([history], one)
        progress(done, len(fits))
    return found


def fit(
    histories: list[History],
    config: FitConfig,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> list[Fitted]:
    """The forecasters of one fit, for all series together: their windows are pooled.

    Each series is standardised by its own train rows; all have the same number of channels.
    folder: where a network's fit keeps its state. Raises ValueError when a split holds no window.
    """
    histories = [history.only(config.channels) for history in histories]
    train, validation = (
        _pooled(histories, split, config.lag, config.horizon) for split in ("train", "validation")
    )
    settings = config.model_dump_json()
    blank = Fitted(config.model, config.lag, config.horizon, settings, seed=config.seed)
    started = time.perf_counter()
    match config.model:
        case "closed_forms":
            found = [replace(blank, model=name) for name in NAIVE]
            found.append(_fit_ridge(train, validation, config, blank))
        case "arima":
            rows = histories[0].scaler().standardise(histories[0].values)
            arima = fit_arima(rows[: histories[0].train_end], validation, config.season, progress)
            found = [
                replace(
                    blank,
                    parameters=arima.coefficients,
                    train_seconds=time.perf_counter() - started,
                    weights=save_arrays(
                        {name: getattr(arima, name) for name in ("weights", "intercept", "orders")}
                    ),
                )
            ]
        case _:
            trained = train_network(train, validation, config, folder=folder, progress=progress)
            found = [
                replace(
                    blank,
                    parameters=sum(p.numel() for p in trained.network.parameters()),
                    epochs=trained.epochs,
                    train_seconds=trained.train_seconds,
                    epoch_seconds=trained.epoch_seconds,
                    weights=save_tensors(trained.network.state_dict()),
                )
            ]
    return [_judged(one, validation, config.coverage) for one in found]


def forecast(fitted: Fitted, lags: Array) -> Array:
    """Forecasts (n, horizon, C) of standardised lags (n, lag, C) by any fitted forecaster."""
    config = FitConfig.model_validate_json(fitted.config)
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
        case "arima":
            arrays = load_arrays(_weights(fitted))
            return Arima(**arrays, coefficients=fitted.parameters).predict(lags)
        case (
            "spacetime"
            | "s4d"
            | "lstm"
            | "transformer"
            | "nlinear"
            | "dlinear"
            | "patchtst"
            | "nhits"
        ):
            network = network_of(config, lags.shape[2])
            network.load_state_dict(load_tensors(_weights(fitted)))
            with torch_threads(config.train.threads):
                return predict(network, lags, fitted.horizon)
    raise ValueError(f"unknown forecaster {fitted.model!r}")


def radius_of(fitted: Fitted) -> Array:
    """Half widths (horizon, C) of a forecaster's first intervals, standardised."""
    return np.array(fitted.radius).reshape(fitted.horizon, -1)


def forecast_test_windows(
    history: History, fitted: Fitted, every: int = 1
) -> dict[str, NDArray[np.generic]]:
    """Forecasts of every `every`-th test window in long form, a row a window, step and channel.

    Columns: target (channel), origin (time of the last lag step), step (1 .. horizon), time, y,
    yhat, lower and upper in the series' own units, scale (the channel's standard deviation over
    the train rows).
    """
    history, yhat, radius, _ = _tested(history, fitted)
    yhat, radius = yhat[::every], radius[::every]
    scaler = history.scaler()
    first, _ = history.split_rows("test", fitted.lag)
    window, step, channel = (axis.ravel() for axis in np.indices(yhat.shape))
    origin = first + window * every + fitted.lag - 1
    return {
        "target": np.array(history.channels)[channel],
        "origin": history.times[origin],
        "step": step + 1,
        "time": history.times[origin + step + 1],
        "y": history.values[origin + step + 1, channel],
        "yhat": scaler.restore(yhat).ravel(),
        "lower": scaler.restore(yhat - radius).ravel(),
        "upper": scaler.restore(yhat + radius).ravel(),
        "scale": scaler.std[channel],
    }


def errors_of_test_windows(history: History, fitted: Fitted) -> dict[str, NDArray[np.generic]]:
    """Errors of all test windows, a row a window and channel; none is left out.

    Columns: target, origin, mse and mae over the window's steps on standardised data, coverage
    (share of its steps inside the interval) and width (mean over its steps, standardised).
    """
    history, _, radius, error = _tested(history, fitted)
    error = np.abs(error)
    n, _, channels = error.shape
    first, _ = history.split_rows("test", fitted.lag)
    return {
        "target": np.tile(history.channels, n),
        "origin": np.repeat(history.times[first + fitted.lag - 1 :][:n], channels),
        "mse": np.square(error).mean(axis=1).ravel(),
        "mae": error.mean(axis=1).ravel(),
        "coverage": (error <= radius).mean(axis=1).ravel(),
        "width": 2 * radius.mean(axis=1).ravel(),
    }


def _tested(history: History, fitted: Fitted) -> tuple[History, Array, Array, Array]:
    """The series a forecaster forecasts; its forecasts, half widths and errors (n, horizon, C)."""
    config = FitConfig.model_validate_json(fitted.config)
    history = history.only(config.channels)
    lags, targets = history.windows("test", fitted.lag, fitted.horizon)
    yhat = forecast(fitted, lags)
    error = yhat - targets
    radius = tracked_radius(error, radius_of(fitted), config.coverage, config.tracking)
    return history, yhat, radius, error


def _fit_ridge(
    train: tuple[Array, Array], validation: tuple[Array, Array], config: FitConfig, blank: Fitted
) -> Fitted:
    started = time.perf_counter()
    ridge = fit_ridge(train, validation, config.penalties)
    return replace(
        blank,
        model="ridge",
        parameters=ridge.weights.size + ridge.intercept.size,
        train_seconds=time.perf_counter() - started,
        weights=save_arrays(vars(ridge) | {"penalty": np.array(ridge.penalty)}),
    )


def _judged(fitted: Fitted, validation: tuple[Array, Array], coverage: float) -> Fitted:
    """With its validation error, and the intervals that its validation errors make."""
    error = forecast(fitted, validation[0]) - validation[1]
    radius = conformal_radius(error, coverage)
    return replace(
        fitted, validation_mse=float(np.square(error).mean()), radius=radius.ravel().tolist()
    )


def _pooled(histories: list[History], split: str, lag: int, horizon: int) -> tuple[Array, Array]:
    """Windows of a split of every series; series too short for one are passed over."""
    if len(histories) == 1:
        return histories[0].windows(split, lag, horizon)
    pairs = [h.windows(split, lag, horizon) for h in histories if h.holds(split, lag, horizon)]
    if not pairs:
        raise ValueError(f"{split} split: no series has the rows for lag {lag} + horizon {horizon}")
    lags, targets = zip(*pairs, strict=True)
    return np.concatenate(lags), np.concatenate(targets)


def _weights(fitted: Fitted) -> bytes:
    if fitted.weights is None:
        raise ValueError(f"forecaster {fitted.model} has no weights: fit it again")
    return fitted.weights
