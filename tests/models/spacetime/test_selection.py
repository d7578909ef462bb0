"""Rolling origins: blocks in time order, no test row, and a choice that no origin outweighs."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from models.spacetime.config import ModelConfig, SettingConfig, TrainConfig
from models.spacetime.forecast_config import ForecastConfig
from models.spacetime.selection import Trial, best_setting, rolling_origins, try_setting
from models.spacetime.windows import History

SHORT = SettingConfig(lag=30, transform="last", learning_rate=3e-3)
LONG = SettingConfig(lag=48, transform="mean", learning_rate=1e-3)
CONFIG = ForecastConfig.model_validate(
    {
        "lag": 30,
        "horizons": (2, 4),
        "season": 12,
        "model": ModelConfig(transform="last", kernels=1, heads=4, state=6, max_average=8),
        "train": TrainConfig(epochs=1, stride=4),
        "search": {"settings": (SHORT, LONG), "origins": 3},
    }
)


@pytest.fixture(scope="module")
def series() -> History:
    t = np.arange(500)
    values = np.sin(2 * np.pi * t / 12) + 0.1 * np.random.default_rng(0).standard_normal(500)
    times = np.datetime64("2020-01-01T00", "h") + t
    return History(times, ("load",), values[:, None], 350, 402)


def test_every_block_but_the_first_validates_once(series: History) -> None:
    parts = rolling_origins(series, 3)
    assert [(p.train_end, p.validation_end) for p in parts] == [(102, 202), (202, 302), (302, 402)]
    for part in parts:
        assert len(part.values) == len(part.times) == part.validation_end
        np.testing.assert_array_equal(part.values, series.values[: part.validation_end])
    with pytest.raises(ValueError, match="too few for 500 origins"):
        rolling_origins(series, 500)


def test_trials_never_see_the_test_rows(series: History, tmp_path: Path) -> None:
    changed = series.values.copy()
    changed[402:] = np.nan
    blind = History(series.times, series.channels, changed, 350, 402)
    [first, second] = CONFIG.tried()
    assert (first.horizon, second.lag, second.network.transform) == (4, 48, "mean")
    assert first.seed == 100
    done: list[tuple[int, int]] = []
    trials = try_setting(
        blind, first, 3, folder=tmp_path, progress=lambda i, n: done.append((i, n))
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert [trial.origin for trial in trials] == [1, 2, 3]
    assert {trial.setting for trial in trials} == {SHORT}
    again = try_setting(series, first, 3)
    assert [t.validation_mse for t in trials] == [t.validation_mse for t in again]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["origin1", "origin2", "origin3"]


def test_no_origin_outweighs_the_others() -> None:
    errors = {SHORT: (10.0, 0.1, 0.1), LONG: (9.0, 0.2, 0.2)}
    trials = [
        Trial(setting, origin, error, 1, 0.0)
        for setting, row in errors.items()
        for origin, error in enumerate(row, start=1)
    ]
    assert best_setting(trials) == SHORT
    assert best_setting(trials[3:]) == LONG
    with pytest.raises(ValueError, match="same origins"):
        best_setting(trials[:-1])
    with pytest.raises(ValueError, match="none to choose"):
        best_setting([])


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        pytest.param({"seeds": (0, 100)}, "seed 100 chooses settings", id="seed-not-fresh"),
        pytest.param(
            {"search": {"settings": [SHORT.model_copy(update={"lag": 5})]}},
            "must hold a whole season",
            id="lag-below-season",
        ),
    ],
)
def test_bad_searches_are_refused(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ForecastConfig.model_validate(CONFIG.model_dump() | fields)
