"""All forecasters on one small series: same windows, weights that travel, no look ahead."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.spacetime.config import ForecastConfig, ModelConfig, SplitConfig, TrainConfig
from models.spacetime.forecasters import Fitted, fit_forecasters, forecast, forecast_test_windows
from models.spacetime.scores import window_errors
from models.spacetime.windows import History

ROWS, LAG, HORIZONS = 400, 30, (4, 14)
CONFIG = ForecastConfig(
    lag=LAG,
    horizons=HORIZONS,
    season=12,
    seeds=(0, 1),
    model=ModelConfig(kernels=1, heads=4, state=6, max_average=8),
    train=TrainConfig(epochs=1, batch=64),
)


@pytest.fixture(scope="module")
def series() -> History:
    rng = np.random.default_rng(0)
    t = np.arange(ROWS)
    wave = 10 + 3 * np.sin(2 * np.pi * t / 12)
    values = np.stack((wave, 50 - 2 * wave), axis=1) + 0.2 * rng.standard_normal((ROWS, 2))
    times = np.datetime64("2020-01-01T00", "h") + t
    return History(times, ("cold", "warm"), values, 280, 320)


@pytest.fixture(scope="module")
def fits(series: History) -> list[Fitted]:
    return fit_forecasters(series, CONFIG)


def test_every_model_is_fitted_for_every_horizon(fits: list[Fitted]) -> None:
    names = ["last_value", "seasonal_naive", "lag_mean", "ridge", "spacetime", "spacetime"]
    assert [fit.model for fit in fits] == names * len(HORIZONS)
    assert [fit.horizon for fit in fits] == [h for h in HORIZONS for _ in names]
    assert [fit.seed for fit in fits if fit.model == "spacetime"] == [0, 1] * len(HORIZONS)
    for fit in fits:
        assert (fit.weights is not None) == (fit.parameters > 0) == (fit.train_seconds is not None)
        assert np.isfinite(fit.validation_mse)


def test_progress_counts_fits(series: History) -> None:
    quick = CONFIG.model_copy(update={"horizons": (4,), "seeds": (0,)})
    done: list[tuple[int, int]] = []
    fit_forecasters(series, quick, lambda i, n: done.append((i, n)))
    assert done == [(i, 5) for i in range(1, 6)]


def test_forecasts_cover_every_test_window_of_every_model(
    series: History, fits: list[Fitted]
) -> None:
    for fit in fits:
        rows = forecast_test_windows(series, fit)
        windows = (ROWS - 320) - fit.horizon + 1
        assert len(rows["y"]) == windows * fit.horizon * 2
        for channel, name in enumerate(series.channels):
            mine = rows["target"] == name
            at = np.searchsorted(series.times, rows["time"][mine])
            np.testing.assert_array_equal(rows["y"][mine], series.values[at, channel])
            assert set(rows["scale"][mine]) == {series.scaler().std[channel]}
        hours = (rows["time"] - rows["origin"]).astype(int)
        np.testing.assert_array_equal(hours, rows["step"])
        assert rows["origin"].min() == series.times[319]
        assert rows["time"].max() == series.times[-1]


def test_restored_forecasters_score_as_they_validated(series: History, fits: list[Fitted]) -> None:
    for fit in fits:
        lags, horizons = series.windows("validation", LAG, fit.horizon)
        error = np.square(forecast(fit, lags) - horizons).mean()
        assert error == pytest.approx(fit.validation_mse, rel=1e-6)


def test_no_forecast_reads_the_future(series: History, fits: list[Fitted]) -> None:
    """Rows after the split are changed: forecasts made before them stay what they were."""
    later = series.values.copy()
    later[360:] += 100
    changed = History(series.times, series.channels, later, 280, 320)
    for fit in fits:
        before, after = (forecast_test_windows(h, fit) for h in (series, changed))
        early = before["origin"] < series.times[360]
        np.testing.assert_array_equal(before["yhat"][early], after["yhat"][early])
        assert not np.allclose(before["yhat"][~early][-2:], after["yhat"][~early][-2:])


def test_fitting_never_sees_the_test_rows(series: History, fits: list[Fitted]) -> None:
    later = series.values.copy()
    later[320:] *= -7
    again = fit_forecasters(History(series.times, series.channels, later, 280, 320), CONFIG)
    assert [fit.weights for fit in again] == [fit.weights for fit in fits]


def test_errors_in_own_units_are_those_on_standardised_data(
    series: History, fits: list[Fitted]
) -> None:
    ridge = fits[3]
    rows = forecast_test_windows(series, ridge)
    lags, horizons = series.windows("test", LAG, ridge.horizon)
    expected = forecast(ridge, lags) - horizons
    columns = [rows[name] for name in ("origin", "y", "yhat", "scale")]
    errors = [
        window_errors(*(column[rows["target"] == target] for column in columns))
        for target in series.channels
    ]
    assert np.mean([e.mse for e in errors]) == pytest.approx(np.square(expected).mean())
    assert {e.n_windows for e in errors} == {len(lags)}


def test_unknown_forecaster_and_lost_weights() -> None:
    lags, settings = np.zeros((1, LAG, 1)), CONFIG.model_dump_json()
    with pytest.raises(ValueError, match="unknown forecaster 'oracle'"):
        forecast(Fitted("oracle", LAG, 4, settings), lags)
    with pytest.raises(ValueError, match="ridge has no weights"):
        forecast(Fitted("ridge", LAG, 4, settings), lags)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        pytest.param({"lag": 20}, "must hold a whole season", id="lag-below-season"),
        pytest.param({"lag": 50}, "leaves 26 inputs", id="lag-below-state"),
        pytest.param({"horizons": (0,)}, "at least 1 step", id="no-horizon"),
        pytest.param({"horizon": 3}, "Extra inputs", id="unknown-field"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ForecastConfig.model_validate(fields)


def test_splits_must_leave_rows_to_validate() -> None:
    with pytest.raises(ValidationError, match="train \\+ test must be below 1"):
        SplitConfig(train=0.8, test=0.2)
