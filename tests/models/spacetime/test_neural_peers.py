"""Networks of neuralforecast on our windows: what they need, and that their weights travel."""

from importlib.util import find_spec

import numpy as np
import pytest

from models.spacetime.config import FitConfig, ModelConfig, TrainConfig
from models.spacetime.forecasters import fit, forecast
from models.spacetime.neural_peers import PEERS
from models.spacetime.train import network_of
from models.spacetime.windows import History

there = find_spec("neuralforecast") is not None


def config(model: str) -> FitConfig:
    return FitConfig.model_validate(
        {
            "model": model,
            "lag": 48,
            "horizon": 6,
            "network": ModelConfig(transform="last", state=8),
            "train": TrainConfig(epochs=12, patience=12, learning_rate=5e-3),
        }
    )


@pytest.mark.skipif(there, reason="neuralforecast is installed")
def test_without_the_package_the_way_to_it_is_told() -> None:
    with pytest.raises(ValueError, match="nhits needs the package neuralforecast: pip install"):
        network_of(config("nhits"), 1)


@pytest.mark.skipif(not there, reason="needs neuralforecast (extra forecast-peers)")
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_fitted_and_forecasts_every_channel_alone(name: str) -> None:
    t = np.arange(400)
    wave = np.sin(2 * np.pi * t / 24)
    values = np.stack((wave, 5 - wave), 1) + 0.05 * np.random.default_rng(0).normal(size=(400, 2))
    times = np.datetime64("2020-01-01T00", "h") + t
    series = History(times, ("a", "b"), values, 280, 320)
    [fitted] = fit([series], config(name))
    assert fitted.model == name
    lags, targets = series.windows("test", 48, 6)
    found = forecast(fitted, lags)
    assert found.shape == targets.shape
    assert np.square(found - targets).mean() < np.square(lags[:, -1:] - targets).mean()
    changed = lags.copy()
    changed[..., 1] += 3.0
    np.testing.assert_allclose(forecast(fitted, changed)[..., 0], found[..., 0], atol=1e-5)
    with pytest.raises(ValueError, match="fitted for horizon 6, not 7"):
        network_of(config(name), 2).run(np.zeros((1, 2, 48)), 7)
