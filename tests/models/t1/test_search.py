"""Searching a learning rate: equal trials, the smallest validation error, divergence survived."""

import numpy as np
import pytest

from models.t1.config import ModelConfig, SearchConfig, TrainConfig
from models.t1.search import Trial, best_rate, try_rates
from models.t1.symmetries import Fields

MODEL = ModelConfig(modes=6, width=4, layers=1, hidden=8)
FIT = TrainConfig(seconds=None, epochs=3, batch=4, checks=2)
RNG = np.random.default_rng(0)
DATA = Fields(*RNG.standard_normal((2, 8, 1, 8, 8)).astype(np.float32))


def test_every_rate_is_tried_once():
    seen = []
    search = SearchConfig(rates=(1e-4, 1e-2), seconds=100.0)
    trials = try_rates(
        DATA, DATA, MODEL, FIT, search=search, seed=0, progress=lambda *at: seen.append(at)
    )
    assert [trial.learning_rate for trial in trials] == [1e-4, 1e-2]
    assert [trial.steps for trial in trials] == [6, 6]
    assert seen == [(0, 2), (1, 2), (2, 2)]
    errors = {trial.validation_l2: trial.learning_rate for trial in trials}
    assert best_rate(trials) == errors[min(errors)]


def test_a_rate_that_diverges_is_told_and_not_chosen():
    huge = Fields(DATA.u, DATA.y * np.float32(1e30))
    search = SearchConfig(rates=(1.0,), seconds=100.0)
    with pytest.raises(ValueError, match=r"t1 diverged with all of \(1.0,\): try lower rates"):
        try_rates(huge, huge, MODEL, FIT, search=search, seed=0)
    trials = [Trial(1.0, None, None), Trial(0.1, 5, 0.3), Trial(0.01, 5, 0.2)]
    assert best_rate(trials) == 0.01


def test_equal_errors_choose_the_lower_rate():
    assert best_rate([Trial(0.1, 5, 0.3), Trial(0.01, 5, 0.3)]) == 0.01
