"""SpaceTime's steps as functions over a small lake: from a series to scores, and users' files."""

import numpy as np
import pandas as pd
import pytest

from data.datasets.series import series_digest
from data.lake import Lake
from data.lake.tables import CONTRACTS
from models.spacetime.config import (
    ModelConfig,
    SearchConfig,
    SeriesConfig,
    SettingConfig,
    TrainConfig,
)
from models.spacetime.forecast_config import ForecastConfig
from models.spacetime.future_config import FutureConfig
from tasks.spacetime import (
    Source,
    forecast_errors,
    forecast_scores,
    forecast_tests,
    forecaster_spectra,
    forecaster_trials,
    forecasters,
    forecasts,
    series,
)
from tasks.user_series import file_config, user_forecasts, user_series

CONFIG = ForecastConfig(
    lag=48,
    horizons=(6,),
    seeds=(0, 1),
    model=ModelConfig(transform="last", kernels=1, heads=4, state=8, max_average=8),
    train=TrainConfig(epochs=1, stride=32),
    rivals=("s4d",),
)


def publish(lake, table, rows, number=0):
    return lake.publish(CONTRACTS[table], rows, recipe=f"{number:08x}" * 8, fields={})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    lake = Lake(str(tmp_path_factory.mktemp("spacetime") / "lake"))
    source = Source(digest=series_digest("west_coast_temps", ""))
    history = publish(lake, "series", series.fn(SeriesConfig(dataset="west_coast_temps"), source))
    alone = CONFIG.model_copy(update={"channels": ("seattle",), "seeds": (0,), "rivals": ()})
    fits = [*CONFIG.fits(), *alone.fits()]
    fitted = [
        publish(lake, "forecasters", forecasters.fn(history, fit), i) for i, fit in enumerate(fits)
    ]
    errors = publish(lake, "forecast_errors", forecast_errors.fn([history], fitted))
    return lake, history, fitted, errors


def test_scores_count_every_window_of_every_forecaster(made) -> None:
    lake, _, fitted, errors = made
    scores = forecast_scores.fn(errors, fitted)
    publish(lake, "forecast_scores", scores)
    rows = scores.to_pylist()
    naive = {"last_value", "seasonal_naive", "lag_mean", "ridge"}
    assert {r["model"] for r in rows if r["target"] == "all"} == naive | {"spacetime", "s4d"}
    assert {r["model"] for r in rows if r["target"] == "seattle"} == naive | {"spacetime"}
    assert {r["n_windows"] for r in rows} == {1752 - 6 + 1}
    assert all(0.5 < r["coverage"] <= 1 and r["width"] > 0 for r in rows)
    assert {r["intended_coverage"] for r in rows} == {0.9}


def test_spacetime_is_tested_against_every_rival(made) -> None:
    lake, _, _, errors = made
    tests = forecast_tests.fn(errors)
    publish(lake, "forecast_tests", tests)
    rows = tests.to_pylist()
    assert len(rows) == 2 * (5 + 4)
    for row in rows:
        assert row["difference"] == pytest.approx(row["spacetime"] - row["rival_loss"])
        sure = row["p_value"] < 0.05
        expected = ("win" if row["difference"] < 0 else "loss") if sure else "level"
        assert row["verdict"] == expected


def test_forecasters_take_the_best_of_the_trials(made) -> None:
    lake, history, _, _ = made
    settings = [
        SettingConfig(lag=lag, transform="mean", learning_rate=rate)
        for lag, rate in ((30, 1e-6), (60, 3e-3))
    ]
    config = CONFIG.model_copy(update={"search": SearchConfig(settings=settings, origins=1)})
    trials = [
        publish(lake, "forecaster_trials", forecaster_trials.fn(history, one, 1), i)
        for i, one in enumerate(config.tried())
    ]
    errors = {r["lag"]: r["validation_mse"] for ref in trials for r in ref.read().to_pylist()}
    best = min(errors, key=errors.__getitem__)
    for fit in (config.fits()[0], config.fits()[1]):
        rows = forecasters.fn(history, fit, trials).to_pylist()
        assert {row["lag"] for row in rows} == {best}
        assert f'"lag":{best}' in rows[0]["config"]


def test_kept_forecasts_and_spectra(made) -> None:
    lake, history, fitted, _ = made
    rows = forecasts.fn([history], fitted, 100)
    publish(lake, "forecasts", rows)
    assert rows.num_rows == 18 * 6 * (7 * 2 + 5)
    spectra = forecaster_spectra.fn(fitted)
    publish(lake, "forecaster_spectra", spectra)
    assert max(spectra["modulus"].to_pylist()) <= 1 + 1e-6


def test_a_users_file_from_rows_to_forecasts(tmp_path, lake_url) -> None:
    rows = 260
    table = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=rows, freq="h")})
    table["heat"] = np.random.default_rng(0).standard_normal(rows)
    table["load"] = 3 * table["heat"] + np.sin(np.arange(rows) * 2 * np.pi / 24)
    table.loc[rows - 12 :, "load"] = np.nan
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    file = file_config(path, "load", covariates=("heat",))
    config = FutureConfig(horizon=12, seconds=1.0, calendar=True)
    lake = Lake(lake_url)
    read = publish(lake, "user_series", user_series.fn(file, file.source, config))
    found = user_forecasts.fn(read, config)
    publish(lake, "user_forecasts", found)
    chosen = found.to_pandas().query("chosen")
    assert list(chosen["step"]) == list(range(1, 13))
    assert str(chosen["time"].iloc[0]) == "2024-01-11 08:00:00+00:00"
    truth = (3 * table["heat"] + np.sin(np.arange(rows) * 2 * np.pi / 24)).to_numpy()[-12:]
    assert np.abs(chosen["yhat"].to_numpy() - truth).max() < 0.5
    assert (chosen["lower"] <= chosen["yhat"]).all()


def test_covariates_must_reach_the_horizon(tmp_path, lake_url) -> None:
    table = pd.DataFrame({"load": np.arange(100.0) % 7, "heat": np.arange(100.0)})
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    file, config = file_config(path, "load", covariates=("heat",)), FutureConfig(horizon=5)
    read = publish(Lake(lake_url), "user_series", user_series.fn(file, file.source, config))
    with pytest.raises(ValueError, match="known 0 steps ahead, the horizon is 5"):
        user_forecasts.fn(read, config)
