"""ARIMA as an affine map: equal to statsmodels' own forecasts, and to a known process."""

import numpy as np
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from models.spacetime.arima import _forecast_map, fit_arima


@pytest.mark.parametrize(
    ("order", "seasonal", "parameters"),
    [
        ((2, 0, 1), (0, 0, 0, 0), [0.3, 0.5, -0.2, 0.4, 1.0]),
        ((1, 1, 1), (0, 0, 0, 0), [0.5, 0.3, 1.0]),
        ((1, 0, 1), (0, 1, 0, 4), [0.5, 0.3, 1.0]),
    ],
    ids=["ARMA-with-mean", "ARIMA(1,1,1)", "seasonal-difference"],
)
def test_the_map_is_the_filters_forecast(order, seasonal, parameters) -> None:
    rows = np.random.default_rng(0).standard_normal(40).cumsum()
    w, w_0 = _forecast_map(order, seasonal, np.array(parameters), 40, 9)
    trend = "c" if order[1] + seasonal[1] == 0 else "n"
    model = SARIMAX(rows, order=order, seasonal_order=seasonal, trend=trend)
    np.testing.assert_allclose(rows @ w + w_0, model.filter(parameters).forecast(9), atol=1e-6)


def test_a_known_process_is_recovered() -> None:
    rng = np.random.default_rng(1)
    values = np.zeros(900)
    for t in range(2, 900):
        values[t] = 0.6 * values[t - 1] - 0.3 * values[t - 2] + rng.standard_normal()
    windows = np.lib.stride_tricks.sliding_window_view(values[500:], 31)[..., None]
    arima = fit_arima(values[:500, None], (windows[:, :30], windows[:, 30:]), season=1)
    error = arima.predict(windows[:, :30])[:, 0] - windows[:, 30]
    past = windows[:, [29, 28], 0]
    oracle = np.square(windows[:, 30, 0] - past @ [0.6, -0.3]).mean()
    assert np.square(error).mean() < 1.1 * oracle
    assert arima.orders[0, 1] == 0
    first = arima.weights[0, :, 0]
    np.testing.assert_allclose(first[-2:], [-0.3, 0.6], atol=0.15)
