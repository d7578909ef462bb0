"""All forecasters on one small series: same windows, weights that travel, no look ahead."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.spacetime.config import ModelConfig, SplitConfig, TrainConfig
from models.spacetime.forecast_config import ForecastConfig
from models.spacetime.forecasters import (
    Fitted,
    errors_of_test_windows,
    fit,
    fit_forecasters,
    forecast,
    forecast_test_windows,
    radius_of,
)
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
    assert [one.model for one in fits] == names * len(HORIZONS)
    assert [one.horizon for one in fits] == [h for h in HORIZONS for _ in names]
    assert [one.seed for one in fits if one.model == "spacetime"] == [0, 1] * len(HORIZONS)
    for one in fits:
        assert (one.weights is not None) == (one.parameters > 0) == (one.train_seconds is not None)
        assert np.isfinite(one.validation_mse)


def test_progress_counts_fits(series: History) -> None:
    quick = CONFIG.model_copy(update={"horizons": (4,), "seeds": (0,)})
    done: list[tuple[int, int]] = []
    fit_forecasters(series, quick, lambda i, n: done.append((i, n)))
    assert done == [(1, 2), (2, 2)]


def test_forecasts_cover_every_test_window_of_every_model(
    series: History, fits: list[Fitted]
) -> None:
    for one in fits:
        rows = forecast_test_windows(series, one)
        windows = (ROWS - 320) - one.horizon + 1
        assert len(rows["y"]) == windows * one.horizon * 2
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
    for one in fits:
        lags, horizons = series.windows("validation", LAG, one.horizon)
        error = np.square(forecast(one, lags) - horizons).mean()
        assert error == pytest.approx(one.validation_mse, rel=1e-6)


def test_no_forecast_reads_the_future(series: History, fits: list[Fitted]) -> None:
    """Rows after the split are changed: forecasts made before them stay what they were."""
    later = series.values.copy()
    later[360:] += 100
    changed = History(series.times, series.channels, later, 280, 320)
    for one in fits:
        before, after = (forecast_test_windows(h, one) for h in (series, changed))
        early = before["origin"] < series.times[360]
        np.testing.assert_array_equal(before["yhat"][early], after["yhat"][early])
        assert not np.allclose(before["yhat"][~early][-2:], after["yhat"][~early][-2:])


def test_fitting_never_sees_the_test_rows(series: History, fits: list[Fitted]) -> None:
    later = series.values.copy()
    later[320:] *= -7
    again = fit_forecasters(History(series.times, series.channels, later, 280, 320), CONFIG)
    assert [one.weights for one in again] == [one.weights for one in fits]


def test_errors_of_windows_are_those_of_their_forecasts(
    series: History, fits: list[Fitted]
) -> None:
    for one in fits[3:5]:
        rows, errors = forecast_test_windows(series, one), errors_of_test_windows(series, one)
        for at in (0, 1, len(errors["mse"]) - 1):
            mine = (rows["origin"] == errors["origin"][at]) & (
                rows["target"] == errors["target"][at]
            )
            error = ((rows["y"] - rows["yhat"]) / rows["scale"])[mine]
            inside = (rows["lower"] <= rows["y"]) & (rows["y"] <= rows["upper"])
            assert np.square(error).mean() == pytest.approx(errors["mse"][at])
            assert np.abs(error).mean() == pytest.approx(errors["mae"][at])
            assert inside[mine].mean() == pytest.approx(errors["coverage"][at])
        windows = (ROWS - 320) - one.horizon + 1
        assert len(errors["mse"]) == 2 * windows


def test_kept_forecasts_are_every_few_of_all(series: History, fits: list[Fitted]) -> None:
    whole, some = (forecast_test_windows(series, fits[3], every) for every in (1, 5))
    kept = np.isin(whole["origin"], some["origin"])
    assert set(np.diff(np.unique(some["origin"])).astype(int)) == {5}
    for name in whole:
        np.testing.assert_array_equal(whole[name][kept], some[name])


def test_intervals_hold_their_share_of_validation(series: History, fits: list[Fitted]) -> None:
    for one in fits:
        lags, horizons = series.windows("validation", LAG, one.horizon)
        inside = np.abs(forecast(one, lags) - horizons) <= radius_of(one)
        assert (inside.mean(axis=0) >= 0.9).all()


def test_chosen_channels_are_forecast_alone(series: History) -> None:
    config = CONFIG.model_copy(update={"channels": ("warm",), "horizons": (4,), "seeds": (0,)})
    alone = series.only(("warm",))
    for one, other in zip(
        fit_forecasters(series, config), fit_forecasters(alone, config), strict=True
    ):
        assert one.weights == other.weights
        assert set(forecast_test_windows(series, one)["target"]) == {"warm"}
    with pytest.raises(ValueError, match="no channel 'hot': the series has cold, warm"):
        series.only(("hot",))


def test_several_series_pool_their_windows(series: History) -> None:
    """A ridge over two copies of a series is that over one; short series are passed over."""
    closed = CONFIG.fits()[0]
    short = History(series.times[:40], series.channels, series.values[:40], 20, 30)
    one, both = fit([series], closed), fit([series, series, short], closed)
    assert both[0].validation_mse == pytest.approx(one[0].validation_mse)
    assert both[3].validation_mse == pytest.approx(one[3].validation_mse, rel=0.02)
    with pytest.raises(ValueError, match="no series has the rows"):
        fit([short, short], closed)


def test_arima_among_the_forecasters(series: History) -> None:
    config = CONFIG.model_copy(update={"rivals": ("arima",), "horizons": (4,)})
    [arima] = fit([series.only(("cold",))], config.fits()[1])
    assert arima.model == "arima"
    lags, targets = series.only(("cold",)).windows("test", LAG, 4)
    error = np.square(forecast(arima, lags) - targets).mean()
    assert error < 0.1 * np.square(targets).mean()


def test_slow_rivals_are_fitted_at_the_shortest_horizon_only() -> None:
    asked = CONFIG.model_copy(
        update={"horizons": (8, 4), "rivals": ("s4d",), "rivals_at_shortest": ("arima", "lstm")}
    )
    found = {(one.model, one.horizon) for one in asked.fits()}
    assert {("s4d", 8), ("s4d", 4), ("arima", 4), ("lstm", 4)} <= found
    assert not {("arima", 8), ("lstm", 8)} & found


def test_unknown_forecaster_and_lost_weights() -> None:
    lags, settings = np.zeros((1, LAG, 1)), CONFIG.fits()[0].model_dump_json()
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
        pytest.param(
            {"rivals": ["lstm"], "rivals_at_shortest": ["lstm"]}, "lstm stands twice", id="twice"
        ),
        pytest.param({"horizon": 3}, "Extra inputs", id="unknown-field"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ForecastConfig.model_validate(fields)


def test_splits_must_leave_rows_to_validate() -> None:
    with pytest.raises(ValidationError, match="train \\+ test must be below 1"):
        SplitConfig(train=0.8, test=0.2)
