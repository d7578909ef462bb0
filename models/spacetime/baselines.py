"""The forecasters SpaceTime has to beat: three naive rules and a closed-form linear map.

All take standardised lags (n, L, C) and return forecasts (n, horizon, C); channels are forecast
apart, by one rule shared between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from models.spacetime.windows import Array


def last_value(lags: Array, horizon: int) -> Array:
    """The last value of the lag, repeated."""
    return np.repeat(lags[:, -1:], horizon, axis=1)


def seasonal_naive(lags: Array, horizon: int, season: int) -> Array:
    """The last season of the lag, repeated. Raises ValueError when the lag is shorter than one."""
    if lags.shape[1] < season:
        raise ValueError(f"lag {lags.shape[1]} is shorter than the season of {season} steps")
    return lags[:, -season:][:, np.arange(horizon) % season]


def lag_mean(lags: Array, horizon: int) -> Array:
    """The mean of the lag, repeated."""
    return np.repeat(lags.mean(axis=1, keepdims=True), horizon, axis=1)


@dataclass(frozen=True)
class Ridge:
    """Linear map of the lag less its last value, and the penalty it was fitted with.

    NLinear with a closed form: y = last + w_0 + (u - last) W,  W = (X^T X + penalty I)^-1 X^T Y,
    where X and Y hold one centred row a window and channel. The intercept is not penalised.
    """

    weights: Array  # W (L, horizon)
    intercept: Array  # w_0 (horizon,)
    penalty: float

    def predict(self, lags: Array) -> Array:
        """Lags (n, L, C) to forecasts (n, horizon, C)."""
        last = lags[:, -1:]
        change: Array = np.einsum("nlc,lh->nhc", lags - last, self.weights, optimize=True)
        return last + change + self.intercept[:, None]


def fit_ridge(
    train: tuple[Array, Array], validation: tuple[Array, Array], penalties: Sequence[float]
) -> Ridge:
    """The map with the smallest squared error on the validation windows, over all penalties.

    train, validation: lags (n, L, C) and horizons (n, H, C), standardised. Raises ValueError when
    a penalty is not above 0: the normal equations may then have no unique solution.
    """
    if min(penalties) <= 0:
        raise ValueError(f"ridge penalties must be above 0, got {min(penalties)}")
    lags, horizons = train
    last = lags[:, -1:]
    x = np.moveaxis(lags - last, 1, 2).reshape(-1, lags.shape[1])  # (n * C, L)
    y = np.moveaxis(horizons - last, 1, 2).reshape(-1, horizons.shape[1])
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    gram, cross = x.T @ x, x.T @ y
    best, best_error = None, np.inf
    for penalty in penalties:
        factor = cho_factor(gram + penalty * np.eye(len(gram)))
        weights = np.ascontiguousarray(cho_solve(factor, cross))
        ridge = Ridge(weights, y_mean - x_mean @ weights, penalty)
        error = float(np.square(ridge.predict(validation[0]) - validation[1]).mean())
        if best is None or error < best_error:
            best, best_error = ridge, error
    if best is None:
        raise ValueError("ridge needs at least one penalty to try")
    return best
