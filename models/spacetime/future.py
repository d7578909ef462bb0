"""Forecasts of what comes after the end of series: the best of several forecasters, by validation.

The last part of each series validates. What is known of every step, calendar or covariates, is
taken out first by a linear regression and added again, so that the forecasters see its residuals:
a regression with state-space errors, as ARIMAX is one with ARMA errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.progress import Progress, silent
from models.spacetime.config import FitConfig, ModelConfig, TrainConfig
from models.spacetime.forecasters import Fitted, fit, forecast, radius_of
from models.spacetime.future_config import FutureConfig
from models.spacetime.windows import Array, History

_LONGEST_LAG = 336
_RIDGE_PENALTY = 1e-3  # of the regression, a row; keeps covariates that repeat one another apart


@dataclass(frozen=True)
class Past:
    """One series: values (T,), and covariates (T + F, K) that are known F steps further."""

    values: Array
    covariates: Array


@dataclass(frozen=True)
class Future:
    """What one forecaster says of one series' next steps, (horizon,) each, in its own unit."""

    model: str
    series: int
    validation_mse: float  # over all series, on standardised data
    chosen: bool
    yhat: Array
    lower: Array
    upper: Array


def plan(lengths: Sequence[int], season: int, config: FutureConfig) -> tuple[list[FitConfig], int]:
    """The fits for series of these lengths, and how many rows at their ends validate.

    The lag holds two seasons and a horizon if the longest series has room for them. Raises
    ValueError when it is too short for the horizon.
    """
    rows, horizon = max(lengths), config.horizon
    needed = fewest_rows(horizon)
    if rows < needed:
        raise ValueError(
            f"{rows} rows are too few to forecast {horizon} steps: at least {needed} are needed, "
            "so that some are left to learn from and to validate"
        )
    held_out = max(horizon, min(rows // 5, 20 * horizon, 4000))
    wanted = min(max(2 * season + 1, 2 * horizon, 24), max(_LONGEST_LAG, season + 1))
    room = rows - held_out - horizon
    lag = max(min(wanted, room - max(room // 4, 1)), 2)
    whole = season if 1 < season < lag else 1
    closed = FitConfig(
        lag=lag,
        horizon=horizon,
        season=whole,
        coverage=config.coverage,
        penalties=(1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4),
    )
    state = min(32, lag // 2)
    windows = sum(max(n - held_out - lag - horizon + 1, 0) for n in lengths)
    network = closed.model_copy(
        update={
            "model": "spacetime",
            "seed": config.seed,
            "penalties": (),
            "network": ModelConfig(
                transform="last", state=state, max_average=max(min(64, lag), 5), channels="apart"
            ),
            "train": TrainConfig(
                epochs=20, stride=max(windows // 2000, 1), patience=5, seconds=config.seconds
            ),
        }
    )
    return [closed, network], held_out


def fewest_rows(horizon: int) -> int:
    """Rows a series needs at least: a lag of some steps, a horizon to learn, one to validate."""
    return 2 * horizon + 8


def forecast_future(
    pasts: Sequence[Past],
    season: int,
    config: FutureConfig,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> list[Future]:
    """Every forecaster's forecast of every series; one forecaster, the best in validation, chosen.

    season: period [steps]; 1 for none. Series are standardised by their own rows and share each
    forecaster. Progress counts epochs of the network. Raises ValueError when series are too short.
    """
    fits, held_out = plan([len(past.values) for past in pasts], season, config)
    explained = [_explained(past, held_out, config.horizon) for past in pasts]
    histories = [
        _history(past.values - part[: len(past.values)], held_out)
        for past, part in zip(pasts, explained, strict=True)
    ]
    fitted: list[Fitted] = []
    for wanted in fits:
        fitted += fit(histories, wanted, folder=folder, progress=progress)
    best = min(fitted, key=lambda one: one.validation_mse)
    found = []
    for one in fitted:
        for number, (history, part) in enumerate(zip(histories, explained, strict=True)):
            scaler = history.scaler()
            lag = _lag_of(scaler.standardise(history.values), one.lag)
            yhat = forecast(one, lag[None])[0]  # (horizon, 1)
            bands = (yhat, yhat - radius_of(one), yhat + radius_of(one))
            middle, lower, upper = (
                scaler.restore(band)[:, 0] + part[-config.horizon :] for band in bands
            )
            found.append(
                Future(one.model, number, one.validation_mse, one is best, middle, lower, upper)
            )
    return found


def _history(values: Array, held_out: int) -> History:
    """A series of which the last rows validate; the forecast itself is the test."""
    rows = len(values)
    train = max(rows - held_out, 1)
    return History(
        np.arange(rows).astype("datetime64[s]"), ("value",), values[:, None], train, rows
    )


def _lag_of(values: Array, lag: int) -> Array:
    """The last `lag` rows (lag, 1); a shorter series is continued backwards by its first value."""
    return np.pad(values, ((max(lag - len(values), 0), 0), (0, 0)), mode="edge")[-lag:]


def _explained(past: Past, held_out: int, horizon: int) -> Array:
    """What covariates explain of the rows there are and of the next `horizon` steps, (T + H,).

    Fitted to the train rows. Raises ValueError when covariates end before the horizon does.
    """
    rows = len(past.values)
    if not past.covariates.shape[1]:
        return np.zeros(rows + horizon)
    if len(past.covariates) < rows + horizon:
        raise ValueError(
            f"covariates are known {len(past.covariates) - rows} steps ahead, the horizon is "
            f"{horizon}: add rows with the covariates of the future and an empty target"
        )
    train = max(rows - held_out, 1)
    x = past.covariates[: rows + horizon]
    mean, spread = x[:train].mean(axis=0), x[:train].std(axis=0)
    x = (x - mean) / np.where(spread > 1e-9, spread, 1.0)
    gram = x[:train].T @ x[:train] + _RIDGE_PENALTY * train * np.eye(x.shape[1])
    y = past.values[:train]
    explained: Array = x @ np.linalg.solve(gram, x[:train].T @ (y - y.mean()))
    return explained


def calendar(hours: Array, weekdays: Array, months: Array) -> Array:
    """Columns of a calendar, (T, K): waves of the hour and the month, and a level a weekday.

    hours 0 to 24, weekdays 0 to 6 and months 1 to 12, (T,) each. Columns that never vary are kept:
    the regression gives them no weight.
    """
    angles = (2 * np.pi * hours / 24, 2 * np.pi * (months - 1) / 12)
    waves = [wave(k * angle) for angle in angles for k in (1, 2) for wave in (np.sin, np.cos)]
    days = [(weekdays == weekday).astype(float) for weekday in range(6)]
    return np.stack((*waves, *days), axis=-1)
