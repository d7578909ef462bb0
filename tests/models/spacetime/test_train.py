from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from models.spacetime.config import FitConfig, ModelConfig, TrainConfig
from models.spacetime.train import (
    mean_squared_error,
    predict,
    train_network,
)

LAG, HORIZON = 24, 6
CONFIG = FitConfig(
    model="spacetime",
    lag=LAG,
    horizon=HORIZON,
    season=12,
    network=ModelConfig(transform="mean", kernels=2, heads=4, state=8, max_average=8),
    train=TrainConfig(epochs=6, batch=32, learning_rate=1e-2),
)


def windows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy wave of period 12."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows + LAG + HORIZON)
    series = np.sin(2 * np.pi * t / 12 + seed) + 0.05 * rng.standard_normal(len(t))
    cut = np.lib.stride_tricks.sliding_window_view(series, LAG + HORIZON)[..., None]
    return cut[:, :LAG], cut[:, LAG:]


TRAIN, VALIDATION = windows(300, 0), windows(61, 1)


def test_training_learns_a_wave() -> None:
    trained = train_network(TRAIN, VALIDATION, CONFIG)
    assert trained.validation_mse < 0.1 * np.square(VALIDATION[1]).mean()
    again = mean_squared_error(trained.network, VALIDATION)
    assert again == pytest.approx(trained.validation_mse, rel=1e-5)
    assert trained.epochs == 6
    assert trained.train_seconds == pytest.approx(6 * trained.epoch_seconds)


def test_same_seed_same_weights_and_the_global_generator_is_left_alone() -> None:
    short = CONFIG.model_copy(update={"train": CONFIG.train.model_copy(update={"epochs": 1})})
    before = torch.random.get_rng_state()
    one, other, third = (
        train_network(TRAIN, VALIDATION, seeded(short, seed)).network.state_dict()
        for seed in (3, 3, 4)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["decoder.a"], third["decoder.a"])


def test_early_stop_keeps_the_best_weights() -> None:
    """A validation set that training only makes worse: its targets are the wave upside down."""
    settings = CONFIG.train.model_copy(update={"epochs": 50, "patience": 2})
    done: list[tuple[int, int]] = []
    trained = train_network(
        TRAIN,
        (VALIDATION[0], -VALIDATION[1]),
        CONFIG.model_copy(update={"train": settings}),
        progress=lambda epoch, epochs: done.append((epoch, epochs)),
    )
    assert trained.epochs == len(done) < 50
    assert done[0] == (1, 50)
    upside_down = (VALIDATION[0], -VALIDATION[1])
    again = mean_squared_error(trained.network, upside_down)
    assert again == pytest.approx(trained.validation_mse, rel=1e-5)


def test_the_metric_does_not_depend_on_batches() -> None:
    network = train_network(TRAIN, VALIDATION, CONFIG).network
    whole = predict(network, VALIDATION[0], HORIZON)
    single = np.concatenate([predict(network, lag[None], HORIZON) for lag in VALIDATION[0]])
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_divergence_is_reported() -> None:
    nowhere = (TRAIN[0], np.full_like(TRAIN[1], np.nan))
    with pytest.raises(ValueError, match="diverged with seed 5"):
        train_network(
            nowhere, (VALIDATION[0], np.full_like(VALIDATION[1], np.nan)), seeded(CONFIG, 5)
        )


def test_fits_side_by_side_are_those_one_after_the_other() -> None:
    configs = [seeded(changed(CONFIG, epochs=1), seed) for seed in range(4)]
    alone = [train_network(TRAIN, VALIDATION, config).network.state_dict() for config in configs]
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(train_network, TRAIN, VALIDATION, config) for config in configs]
    for one, fit in zip(alone, fits, strict=True):
        other = fit.result().network.state_dict()
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("model", ["spacetime", "s4d", "lstm", "transformer"])
def test_a_killed_fit_goes_on_to_the_very_same_weights(model: str, tmp_path) -> None:
    shape = CONFIG.network.model_copy(update={"dropout": 0.2})
    config = changed(CONFIG, epochs=3, stride=2).model_copy(
        update={"model": model, "network": shape}
    )
    whole = train_network(TRAIN, VALIDATION, config)

    def killed(epoch: int, epochs: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(TRAIN, VALIDATION, config, folder=tmp_path, progress=killed)
    seen: list[int] = []
    again = train_network(
        TRAIN, VALIDATION, config, folder=tmp_path, progress=lambda done, _: seen.append(done)
    )
    assert seen == [2, 3]
    one, other = whole.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.epochs == 3


def test_a_budget_of_time_ends_the_fit() -> None:
    config = changed(CONFIG, epochs=1000, patience=1000, seconds=1.0)
    trained = train_network(TRAIN, VALIDATION, config)
    assert trained.epochs < 1000
    assert trained.train_seconds < 10


def test_strides_reach_every_window_over_the_epochs() -> None:
    """Windows 0, 3, .. alone hold a series that the others contradict."""
    lags, targets = TRAIN
    odd = np.arange(len(lags)) % 3 != 0
    mixed = np.where(odd[:, None, None], targets, -targets)
    config = changed(CONFIG, epochs=12, stride=3)
    trained = train_network((lags, mixed), VALIDATION, config)
    assert trained.validation_mse < np.square(VALIDATION[1]).mean()


def test_channels_apart_are_forecast_from_themselves_alone() -> None:
    lags, targets = (np.concatenate((part, 2 + 3 * part), axis=2) for part in TRAIN)
    shape = CONFIG.network.model_copy(update={"channels": "apart"})
    config = changed(CONFIG, epochs=1).model_copy(update={"network": shape})
    network = train_network((lags, targets), (lags[:9], targets[:9]), config).network
    before = predict(network, lags[:5], HORIZON)
    other = lags[:5].copy()
    other[..., 1] += 1.0
    after = predict(network, other, HORIZON)
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=1e-6)
    np.testing.assert_allclose(after[..., 1], before[..., 1] + 1.0, atol=1e-5)


def seeded(config: FitConfig, seed: int) -> FitConfig:
    return config.model_copy(update={"seed": seed})


def changed(config: FitConfig, **train: object) -> FitConfig:
    return config.model_copy(update={"train": config.train.model_copy(update=train)})
