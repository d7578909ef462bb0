"""Class probabilities and their measures; classes against the rest."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.tart.config import HeadConfig
from models.tart.module import ReasoningHead
from models.tart.predict import by_head, by_majority, by_regression, class_measures
from models.tart.scores import measures

HEAD = ReasoningHead(HeadConfig(width_in=3, points=20, layers=1, heads=1, width=8)).eval()


def points(k=12, classes=3, queries=40, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((k, 3)),
        np.arange(k) % classes,
        rng.standard_normal((queries, 3)),
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_rows_are_probabilities_of_all_methods(classes):
    x, y, queries = points(classes=classes)
    for p in (
        by_head(HEAD, x, y, queries, classes),
        by_regression(x, y, queries, classes, 1.0),
        by_majority(y, len(queries), classes),
    ):
        assert p.shape == (40, classes)
        assert p.sum(axis=1) == pytest.approx(np.ones(40))
        assert (p >= 0).all()


def test_regression_of_two_classes_is_scikit_learn_s():
    x, y, queries = points(classes=2)
    theirs = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(
        by_regression(x, y, queries, 2, 2.0), theirs.predict_proba(queries), atol=1e-6
    )


def test_several_classes_are_each_against_the_rest():
    x, y, queries = points()
    alone = np.stack([by_regression(x, y == c, queries, 2, 1.0)[:, 1] for c in range(3)], axis=1)
    expected = alone / alone.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(by_regression(x, y, queries, 3, 1.0), expected)


def test_many_queries_are_answered_as_few_are():
    x, y, queries = points(queries=2500)
    whole = by_head(HEAD, x, y, queries, 3)
    np.testing.assert_allclose(whole[-7:], by_head(HEAD, x, y, queries[-7:], 3), atol=1e-6)


def test_measures_of_two_classes_are_those_of_one_probability():
    rng = np.random.default_rng(0)
    p, label = rng.random(50), rng.integers(0, 2, 50)
    assert class_measures(np.stack((1 - p, p), 1), label) == pytest.approx(measures(p, label))


def test_measures_of_three_classes_by_hand():
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3]])
    accuracy, area, brier = class_measures(p, np.array([0, 1, 2]))
    assert accuracy == pytest.approx(2 / 3)
    assert area == pytest.approx((1 + 1 + 0.75) / 3)
    assert brier == pytest.approx((0.06 + 0.38 + 0.74) / 6)
    assert class_measures(p, np.array([0, 1, 1]))[1] is None
