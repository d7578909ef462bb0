"""Batched logistic regression against scikit-learn's, and the majority vote."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.tart.baselines import logistic_probability, logistic_weights, majority_probability


def noisy_problems(batch=8, k=40, width=3, alpha=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, k, width))
    w = alpha * rng.standard_normal((batch, width))
    y = (rng.random((batch, k)) < 1 / (1 + np.exp(-np.einsum("bkd,bd->bk", x, w)))).astype(float)
    return x, y


def sklearn_weights(x, y, penalty):
    solver = LogisticRegression(
        C=1 / penalty if penalty else np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000
    )
    return np.stack([solver.fit(*problem).coef_[0] for problem in zip(x, y, strict=True)])


@pytest.mark.parametrize("penalty", [1.0, 0.01, 0.0])
@pytest.mark.parametrize(("k", "width"), [(40, 3), (61, 1), (97, 5)], ids=["40-3", "61-1", "97-5"])
def test_weights_are_scikit_learn_s(penalty, k, width):  # alpha 0.5: no set is separable
    x, y = noisy_problems(k=k, width=width, alpha=0.5)
    expected = sklearn_weights(x, y, penalty)
    assert logistic_weights(x, y, penalty) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_weights_are_scikit_learn_s_on_separable_examples_with_penalty():
    x, y = noisy_problems(k=12, alpha=100.0)
    y[:, :2] = 0, 1  # scikit-learn wants both labels
    expected = sklearn_weights(x, y, 0.01)
    assert logistic_weights(x, y, 0.01) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_gradient_vanishes_at_the_weights():
    x, y = noisy_problems(k=5, width=4, alpha=10.0)
    w = logistic_weights(x, y, penalty=0.5)
    p = 1 / (1 + np.exp(-np.einsum("bkd,bd->bk", x, w)))
    gradient = np.einsum("bkd,bk->bd", x, p - y) + 0.5 * w
    assert np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("k", [1, 2, 6], ids="k={}".format)
def test_without_penalty_separable_examples_are_separated(k):
    x, _ = noisy_problems(k=k, width=4)
    y = (x[..., 0] > 0).astype(float)
    w = logistic_weights(x, y, penalty=0.0)
    assert np.all(np.isfinite(w))
    assert np.array_equal(np.einsum("bkd,bd->bk", x, w) > 0, y > 0.5)


def test_coordinates_that_are_always_zero_get_no_weight():
    x, y = noisy_problems(width=3)
    padded = np.concatenate([x, np.zeros_like(x)], axis=-1)
    w = logistic_weights(padded, y, penalty=0.0)
    assert w[:, :3] == pytest.approx(logistic_weights(x, y, penalty=0.0), rel=1e-6)
    assert not w[:, 3:].any()


def test_probability_of_the_query_is_the_sigmoid_of_its_score():
    x, y = noisy_problems()
    query = x[:, 0]
    score = (logistic_weights(x, y, 1.0) * query).sum(1)
    assert logistic_probability(x, y, query, 1.0) == pytest.approx(1 / (1 + np.exp(-score)))


def test_majority_probability_counts_one_example_of_each_label_more():
    y = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert majority_probability(y) == pytest.approx([3 / 5, 1 / 5])
