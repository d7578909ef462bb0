"""Moment matching: the closed form of three functions, the gradient, planted accuracies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from models.evaporate.label_model import ABSTAIN, fit_one_coin
from models.evaporate.moments import agreements, fit_moments, moment_loss, triplet_strengths

CLASSES = 5


def planted(n: int, accuracy: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, CLASSES, n)
    wrong = (truth[:, None] + generator.integers(1, CLASSES, (n, len(accuracy)))) % CLASSES
    votes = np.where(generator.random(wrong.shape) < accuracy, truth[:, None], wrong)
    votes[generator.random(wrong.shape) < 0.1] = ABSTAIN
    return votes, truth


def test_three_functions_have_the_closed_form_and_no_loss() -> None:
    strengths = np.array([0.9, 0.5, 0.3])
    moments = np.outer(strengths, strengths)
    assert triplet_strengths(moments) == pytest.approx(strengths)
    loss, gradient = moment_loss(strengths, moments, np.ones((3, 3)))
    assert loss == pytest.approx(0.0)
    assert gradient == pytest.approx(np.zeros(3))


def test_gradient_of_the_loss() -> None:
    generator = np.random.default_rng(0)
    moments, both = generator.random((5, 5)), generator.integers(1, 9, (5, 5)).astype(float)
    moments, both = (moments + moments.T) / 2, both + both.T
    at = generator.random(5)
    gap = check_grad(
        lambda b: moment_loss(b, moments, both)[0], lambda b: moment_loss(b, moments, both)[1], at
    )
    assert gap < 1e-6


def test_agreements_by_hand() -> None:
    votes = np.array([[0, 0], [1, 2], [3, 3], [ABSTAIN, 1]])
    moments, both = agreements(votes, CLASSES)
    assert both.tolist() == [[3, 3], [3, 4]]
    assert moments[0, 1] == pytest.approx((5 * 2 / 3 - 1) / 4)


def test_planted_accuracies_are_found() -> None:
    accuracy = np.linspace(0.45, 0.9, 8)
    votes, truth = planted(4_000, accuracy, seed=1)
    fitted = fit_moments(votes, CLASSES)
    assert np.abs(fitted.accuracy - accuracy).max() < 0.05
    expected = fit_one_coin(votes, CLASSES).posterior.argmax(axis=1)
    assert (fitted.posterior.argmax(axis=1) == expected).mean() > 0.98
    assert (fitted.posterior.argmax(axis=1) == truth).mean() > 0.95


@pytest.mark.parametrize("functions", [1, 2])
def test_too_few_functions_say_nothing_of_each_other(functions: int) -> None:
    votes, _ = planted(50, np.full(functions, 0.8), seed=2)
    assert fit_moments(votes, CLASSES).accuracy == pytest.approx(np.full(functions, 0.6))
