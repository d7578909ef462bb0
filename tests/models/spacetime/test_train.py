import numpy as np
import pytest
import torch

from models.spacetime.config import ForecastConfig, ModelConfig, TrainConfig
from models.spacetime.train import (
    mean_squared_error,
    predict,
    train_spacetime,
)

LAG, HORIZON = 24, 6
CONFIG = ForecastConfig(
    lag=LAG,
    horizons=(HORIZON,),
    season=12,
    seeds=(0,),
    model=ModelConfig(transform="mean", kernels=2, heads=4, state=8, max_average=8),
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
    trained = train_spacetime(TRAIN, VALIDATION, CONFIG, seed=0)
    assert trained.validation_mse < 0.1 * np.square(VALIDATION[1]).mean()
    again = mean_squared_error(trained.network, VALIDATION)
    assert again == pytest.approx(trained.validation_mse, rel=1e-5)
    assert trained.epochs == 6
    assert trained.train_seconds == pytest.approx(6 * trained.epoch_seconds)


def test_same_seed_same_weights_and_the_global_generator_is_left_alone() -> None:
    short = CONFIG.model_copy(update={"train": CONFIG.train.model_copy(update={"epochs": 1})})
    before = torch.random.get_rng_state()
    one, other, third = (
        train_spacetime(TRAIN, VALIDATION, short, seed).network.state_dict() for seed in (3, 3, 4)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["decoder.a"], third["decoder.a"])


def test_early_stop_keeps_the_best_weights() -> None:
    """A validation set that training only makes worse: its targets are the wave upside down."""
    settings = CONFIG.train.model_copy(update={"epochs": 50, "patience": 2})
    done: list[tuple[int, int]] = []
    trained = train_spacetime(
        TRAIN,
        (VALIDATION[0], -VALIDATION[1]),
        CONFIG.model_copy(update={"train": settings}),
        seed=0,
        progress=lambda epoch, epochs: done.append((epoch, epochs)),
    )
    assert trained.epochs == len(done) < 50
    assert done[0] == (1, 50)
    upside_down = (VALIDATION[0], -VALIDATION[1])
    again = mean_squared_error(trained.network, upside_down)
    assert again == pytest.approx(trained.validation_mse, rel=1e-5)


def test_the_metric_does_not_depend_on_batches() -> None:
    network = train_spacetime(TRAIN, VALIDATION, CONFIG, seed=0).network
    whole = predict(network, VALIDATION[0], HORIZON)
    single = np.concatenate([predict(network, lag[None], HORIZON) for lag in VALIDATION[0]])
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_divergence_is_reported() -> None:
    nowhere = (TRAIN[0], np.full_like(TRAIN[1], np.nan))
    with pytest.raises(ValueError, match="diverged with seed 5"):
        train_spacetime(nowhere, (VALIDATION[0], np.full_like(VALIDATION[1], np.nan)), CONFIG, 5)
