"""Scores: right figures, equal terms for all methods, and the law as upper bound."""

import numpy as np
import pytest
import torch

from models.tart.config import HeadConfig, ScoresConfig
from models.tart.module import ReasoningHead
from models.tart.scores import head_logits, measures, score_problems

HEAD = ReasoningHead(
    HeadConfig(width_in=3, points=20, layers=1, heads=1, width=8, attention="causal")
).eval()


def logistic(problems=3000, points=20, width=3, alpha=3.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((problems, points, width))
    w = alpha * rng.standard_normal((problems, width))
    p_true = 1 / (1 + np.exp(-np.einsum("bpd,bd->bp", x, w)))
    y = rng.random(p_true.shape) < p_true
    return tuple(a.astype(np.float32) for a in (x, y, p_true))


def by_method(scores, measure):
    return {(s.method, s.k): getattr(s, measure) for s in scores}


def test_all_methods_are_scored_at_every_k_on_the_same_queries():
    scores = score_problems(HEAD, logistic(problems=50), ScoresConfig(examples=(2, 9)), 3.0)
    methods = ("tart", "logistic regression", "penalised regression", "bayes", "majority")
    assert [(s.method, s.k) for s in scores] == [(m, k) for k in (2, 9) for m in methods]
    assert {s.n_test for s in scores} == {50}


def test_the_law_bounds_all_and_regression_gains_with_examples():
    scores = score_problems(HEAD, logistic(), ScoresConfig(examples=(2, 8, 19)), 3.0)
    accuracy, brier = by_method(scores, "accuracy"), by_method(scores, "brier")
    for method, k in accuracy:
        assert accuracy["bayes", k] >= accuracy[method, k]
        assert brier["bayes", k] <= brier[method, k]
    for bar in ("logistic regression", "penalised regression"):
        regression = [accuracy[bar, k] for k in (2, 8, 19)]
        assert regression == sorted(regression)
        assert regression[-1] > accuracy["majority", 19] + 0.2
    for k in (8, 19):
        assert brier["penalised regression", k] < brier["logistic regression", k]


def test_labels_that_the_law_did_not_make_are_noticed():
    x, y, p_true = logistic()
    with pytest.raises(ValueError, match="did not come from p_true"):
        score_problems(HEAD, (x, y, 1 - p_true), ScoresConfig(examples=(8,)), 3.0)


def test_answers_come_in_the_order_of_the_problems_whatever_the_chunks():
    x, y, _ = logistic(problems=300)  # more than one chunk
    k = 8
    answers = head_logits(HEAD, x[:, :k], y[:, :k], x[:, k : k + 1])
    with torch.no_grad():
        whole = HEAD(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(answers[:, 0], whole[:, k], atol=1e-6)


def test_measures_of_four_predictions_by_hand():
    probability, label = np.array([0.9, 0.4, 0.6, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    accuracy, auc, brier = measures(probability, label)
    assert (accuracy, auc) == (0.5, 0.75)
    assert brier == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)


def test_area_is_null_when_all_queries_have_one_label():
    assert measures(np.array([0.2, 0.7]), np.array([1.0, 1.0]))[1] is None


def test_more_examples_than_a_problem_has_are_refused():
    with pytest.raises(ValueError, match=r"k = 20 examples and a query need 21 points .* got 20"):
        score_problems(HEAD, logistic(problems=4), ScoresConfig(examples=(3, 20)), 3.0)


def test_more_examples_than_the_head_reads_are_refused():
    with pytest.raises(ValueError, match=r"at most 20 points .* got 25"):
        score_problems(HEAD, logistic(problems=4, points=30), ScoresConfig(examples=(24,)), 3.0)


@pytest.mark.parametrize("examples", [(), (0,), (4, -1)], ids=["none", "zero", "negative"])
def test_impossible_numbers_of_examples_are_refused(examples):
    with pytest.raises(ValueError, match="examples"):
        ScoresConfig(examples=examples)
