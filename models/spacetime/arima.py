"""ARIMA models chosen automatically, as a peer: Hyndman and Khandakar (2008) over statsmodels.

Given its coefficients, the forecast of an ARIMA is an affine function of the lag. It is computed
once, by filtering unit vectors, so that thousands of windows cost one product of matrices.
"""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from models.progress import Progress, silent
from models.spacetime.windows import Array

_ORDERS = tuple((p, q) for p, q in product(range(4), range(3)) if p + q > 0)
# Likelihoods over this many rows tell orders apart; more only take longer.
_MOST_ROWS = 2000


@dataclass(frozen=True)
class Arima:
    """The forecast maps of one ARIMA a channel: y = intercept + u W."""

    weights: Array  # W (C, L, horizon)
    intercept: Array  # (C, horizon)
    orders: Array  # p, d, q and seasonal difference of each channel, (C, 4)
    coefficients: int

    def predict(self, lags: Array) -> Array:
        """Lags (n, L, C) to forecasts (n, horizon, C)."""
        found: Array = np.einsum("nlc,clh->nhc", lags, self.weights, optimize=True)
        return found + self.intercept.T


def fit_arima(
    train: Array,
    validation: tuple[Array, Array],
    season: int,
    progress: Progress = silent,
) -> Arima:
    """One model a channel, from train rows (T, C) in time order, standardised.

    For each degree of plain and of seasonal differencing (0 or 1), AICc chooses the orders
    p <= 3 and q <= 2; likelihoods of different differences do not compare, so the mean squared
    error over the validation windows (n, L, C), (n, H, C) chooses among those four. Progress
    counts differencings. Raises ModuleNotFoundError without statsmodels and ValueError when no
    candidate can be fitted.
    """
    lags, targets = validation
    degrees = [(d, seasonal) for d in (0, 1) for seasonal in ((0, 1) if season > 1 else (0,))]
    maps, intercepts, orders, coefficients = [], [], [], 0
    for channel in range(train.shape[1]):
        rows = train[-_MOST_ROWS:, channel]
        best_error, best = math.inf, None
        for done, (d, seasonal) in enumerate(degrees):
            progress(channel * len(degrees) + done, train.shape[1] * len(degrees))
            fitted = _by_aicc(rows, d, seasonal, season)
            if fitted is None:
                continue
            order, parameters = fitted
            w, w_0 = _forecast_map(
                order, (0, seasonal, 0, season if seasonal else 0), parameters, lags.shape[1],
                targets.shape[1],
            )  # fmt: skip
            error = float(np.square(lags[..., channel] @ w + w_0 - targets[..., channel]).mean())
            if error < best_error:
                best_error, best = error, (w, w_0, (*order, seasonal), len(parameters))
        if best is None:
            raise ValueError("no ARIMA could be fitted: the train rows may be constant")
        maps.append(best[0])
        intercepts.append(best[1])
        orders.append(best[2])
        coefficients += best[3]
    return Arima(np.stack(maps), np.stack(intercepts), np.array(orders, float), coefficients)


def _by_aicc(
    rows: Array, d: int, seasonal: int, season: int
) -> tuple[tuple[int, int, int], Array] | None:
    """Order and coefficients of the smallest AICc among those that converge to finite ones."""
    best, chosen = math.inf, None
    for p, q in _ORDERS:
        order = (p, d, q)
        model = _sarimax()(
            rows,
            order=order,
            seasonal_order=(0, seasonal, 0, season if seasonal else 0),
            trend="c" if d + seasonal == 0 else "n",
            simple_differencing=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of starting values that it then leaves anyway
            try:
                fitted = model.fit(disp=False, maxiter=50)
            except (np.linalg.LinAlgError, ValueError):
                continue
        if math.isfinite(fitted.aicc) and fitted.aicc < best:
            best, chosen = fitted.aicc, (order, np.asarray(fitted.params))
    return chosen


def _forecast_map(
    order: tuple[int, int, int],
    seasonal_order: tuple[int, int, int, int],
    parameters: Array,
    lag: int,
    horizon: int,
) -> tuple[Array, Array]:
    """W (L, H) and intercept (H,): forecasts from the Kalman filter's state after the lag."""

    def forecast(rows: Array) -> Array:
        trend = "c" if order[1] + seasonal_order[1] == 0 else "n"
        model = _sarimax()(rows, order=order, seasonal_order=seasonal_order, trend=trend)
        found: Array = model.filter(parameters).forecast(horizon)
        return found

    intercept = forecast(np.zeros(lag))
    return np.stack([forecast(unit) - intercept for unit in np.eye(lag)]), intercept


def _sarimax() -> Any:
    try:
        return importlib.import_module("statsmodels.tsa.statespace.sarimax").SARIMAX
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "ARIMA needs statsmodels: pip install 'headwater[peers]', or leave arima out of rivals"
        ) from error
