"""Fitting: the loss is the field's, a few samples are learnt by heart, a killed fit goes on."""

import math

import numpy as np
import pytest
import torch

from models.t1.baselines import MeanField, Persistence, Ridge, baselines, roll_out, transitions
from models.t1.config import ModelConfig, TrainConfig
from models.t1.modes import truncation_floor
from models.t1.operator import choose_modes
from models.t1.scores import break_even_solves, by_mode, relative_errors, score_operator
from models.t1.symmetries import Fields
from models.t1.train import _Fit, relative_l2, train_operator

SMALL = ModelConfig(modes=8, width=12, layers=2, hidden=32)
STEPS = TrainConfig(seconds=None, epochs=300, batch=8, learning_rate=5e-3, checks=10)


def smooth(n, seed=0, grid=12):
    """Smooth random fields, and a smooth nonlinear image of each."""
    rng = np.random.default_rng(seed)
    x = (np.arange(grid) + 0.5) / grid
    a, b, c, d = rng.standard_normal((4, n, 1, 1, 1))
    u = a * np.cos(np.pi * x)[:, None] + b * np.cos(np.pi * x) + c
    y = np.sin(u) + d * 0 + 0.3 * u**2
    return Fields(u.astype(np.float32), y.astype(np.float32))


@pytest.mark.parametrize("model", ["t1", "fno"])
def test_eight_samples_are_learnt_by_heart(model):
    config = SMALL.model_copy(update={"model": model, "modes": 6})
    data = smooth(8)
    operator, course = train_operator(data, data, config, STEPS, 0)
    error = relative_errors(operator.predict(data.u)[:, None], data.y[:, None]).mean()
    kept = choose_modes(config, *data)
    floor = truncation_floor(data.y, kept) if kept else 0.0
    assert error < 0.03 + floor
    # What training calls the error, in coefficients, is that of the fields.
    assert course.best == pytest.approx(error, rel=1e-3)


def test_the_loss_between_coefficients_is_the_relative_l2_of_fields():
    data = smooth(5)
    fit = _Fit(data, data, SMALL.model_copy(update={"modes": 3}), STEPS, 0)
    torch.nn.init.normal_(fit.operator.network.head.down.weight, std=0.1)
    u, target, outside, norm = fit.train
    loss = relative_l2(fit.operator.run(u), target, outside, norm)
    fields = relative_errors(fit.operator.predict(data.u)[:, None], data.y[:, None])
    assert np.allclose(loss.detach().numpy(), fields, atol=1e-5)


def test_seeds_decide_the_weights_and_nothing_else_does():
    data, config = smooth(16), STEPS.model_copy(update={"epochs": 5})
    first, again, other = (
        train_operator(data, data, SMALL, config, seed)[0].predict(data.u) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_killed_fit_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("models.t1.train._SAVE_EVERY_SECONDS", 0.0)
    data, config = smooth(16), STEPS.model_copy(update={"epochs": 40})

    class Killed(Exception):
        pass

    def kill(done, total):
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        train_operator(data, data, SMALL, config, 0, folder=tmp_path, progress=kill)
    looks = []
    _, course = train_operator(
        data, data, SMALL, config, 0, folder=tmp_path, progress=lambda *at: looks.append(at)
    )
    assert looks[0] == (5, 10)
    assert course.steps == 80
    assert len(course.validation) == 10
    assert sorted(course.at) == course.at


def test_a_time_budget_ends_a_fit():
    data = smooth(16)
    _, course = train_operator(data, data, SMALL, TrainConfig(seconds=0.3, checks=5), 0)
    assert 0.3 <= course.seconds < 1.0
    assert len(course.at) >= 4


@pytest.mark.parametrize("schedule", ["cosine", "halving"])
def test_learning_rates_fall(schedule):
    data = smooth(4)
    fit = _Fit(data, data, SMALL, STEPS.model_copy(update={"schedule": schedule}), 0)
    rates = [fit._rate(done) for done in (0.15, 0.3, 0.7, 0.99)]
    assert sorted(rates, reverse=True) == rates
    assert fit._rate(0.0) < 0.1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: Fields(np.where(d.u > 0, np.nan, d.u), d.y), "hold NaN or infinity"),
        (lambda d: Fields(d.u[:, :, 0], d.y), "grid of 1 axes"),
    ],
    ids=["nan", "axes"],
)
def test_bad_fields_are_refused_before_training(spoil, words):
    data = smooth(4)
    with pytest.raises(ValueError, match=words):
        train_operator(spoil(data), data, SMALL, STEPS, 0)


def test_a_fit_that_diverges_says_so():
    data = smooth(8)
    huge = Fields(data.u, data.y * np.float32(1e30))
    config = STEPS.model_copy(update={"learning_rate": 1.0, "epochs": 3})
    with pytest.raises(ValueError, match="diverged with seed 3: lower the learning rate"):
        train_operator(huge, huge, SMALL, config, 3)


def test_baselines_are_what_they_say():
    train, test = smooth(200), smooth(20, seed=1)
    known = baselines(train, test, 4, (12, 12))
    assert set(known) == {"mean_field", "ridge", "persistence"}
    assert np.allclose(MeanField(train).predict(test.u), train.y.mean(0))
    assert np.array_equal(Persistence(1).predict(test.u), test.u)
    linear = Fields(train.u, 2 * train.u - 1)
    ridge = Ridge(linear, linear, 12)
    assert np.allclose(ridge.predict(test.u), 2 * test.u - 1, atol=1e-3)
    assert set(baselines(train, test, 4, (24, 24))) == {"persistence"}


class Doubling:
    """Predicts the sum of the two frames it sees."""

    def predict(self, u):
        return u[:, :1] + u[:, 1:]


def test_a_roll_out_feeds_outputs_back_and_its_steps_are_samples():
    u = np.stack([np.full((3, 5), value) for value in (1.0, 2.0)], 1)  # (3, 2, 5)
    film = roll_out(Doubling(), u, 4)
    assert film.shape == (3, 4, 1, 5)
    assert film[0, :, 0, 0].tolist() == [3, 5, 8, 13]
    pairs = transitions(u, film)
    assert pairs.u[:, :, 0].tolist()[::3] == [[1, 2], [2, 3], [3, 5], [5, 8]]
    assert np.array_equal(Doubling().predict(pairs.u), pairs.y)


def test_errors_by_mode_add_up_to_the_error():
    rng = np.random.default_rng(0)
    y, prediction = rng.standard_normal((2, 6, 1, 2, 8, 5))
    error, truth = by_mode(prediction, y)
    assert len(error) == 8
    assert (error**2).sum() == pytest.approx(((prediction - y) ** 2).sum() / 6)
    assert (truth**2).sum() == pytest.approx((y**2).sum() / 6)


def test_scores_of_the_truth_and_of_nothing():
    data = smooth(6)
    y = data.y[:, None]
    score = score_operator(MeanField(data), data.u, y)
    assert score.relative_l2 == pytest.approx(
        float(np.mean([np.linalg.norm(data.y.mean(0) - one) / np.linalg.norm(one)
                       for one in data.y])), rel=1e-5)  # fmt: skip
    assert relative_errors(y, y).max() == 0
    assert relative_errors(0 * y, y) == pytest.approx(1)
    assert score.inference_ms > 0


def test_break_even_is_counted_in_solves():
    assert break_even_solves(50.0, 30.0, 100.0, 20.0) == pytest.approx(1000)
    assert break_even_solves(50.0, 30.0, 10.0, 20.0) is None
    assert math.isfinite(break_even_solves(0.0, 0.0, 10.0, 1.0))
