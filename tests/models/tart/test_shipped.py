"""The head that comes with the project: what its card says, and what the law's symmetries ask."""

import json

import numpy as np
import pytest
import torch
from scipy.special import expit

from data.synthetic.logistic import TasksConfig, evaluation_problems
from models.tart import shipped
from models.tart.baselines import logistic_probability
from models.tart.config import HeadConfig
from models.tart.scores import head_logits
from models.tart.train import head_from_bytes

K = 64
TASKS = TasksConfig(width=16, dimensions=(16,), alphas=(1.0, 10.0), problems=256, points=K + 8)


@pytest.fixture(scope="module")
def head():
    config = shipped.shipped_card("small")["config"]["head"]
    return head_from_bytes(shipped.shipped_weights("small"), HeadConfig.model_validate(config))


@pytest.fixture(scope="module", params=TASKS.alphas, ids="alpha{}".format)
def problems(request):
    return evaluation_problems(TASKS, 16, request.param)


def probabilities(head, x, y):
    return expit(head_logits(head, x[:, :K], y[:, :K], x[:, K:]))


def accuracies(p, p_true):
    """A problem's each, expected over its queries' labels, which the law knows: less noise."""
    return np.where(p >= 0.5, p_true, 1 - p_true).mean(1)


def accuracy(p, p_true):
    return accuracies(p, p_true).mean()


def brier(p, p_true):
    return ((p - p_true) ** 2 + p_true * (1 - p_true)).mean()


def test_the_head_stands_beside_logistic_regression_on_the_same_examples(head, problems):
    x, y, p_true = problems
    p, p_true = probabilities(head, x, y), p_true[:, K:]
    regression = np.stack(
        [logistic_probability(x[:, :K], y[:, :K], x[:, i], 0.0) for i in range(K, K + 8)], axis=1
    )
    # The card has it on 2,048 problems. Here: no evidence of more than a point below.
    lead = accuracies(p, p_true) - accuracies(regression, p_true)
    assert lead.mean() > -0.01 - 2 * lead.std() / len(lead) ** 0.5
    assert brier(p, p_true) < brier(regression, p_true)
    assert accuracy(p, p_true) < np.maximum(p_true, 1 - p_true).mean()


def test_swapping_the_labels_swaps_the_answers(head, problems):
    x, y, p_true = problems
    p, swapped = probabilities(head, x, y), 1 - probabilities(head, x, 1 - y)
    assert np.abs(p - swapped).mean() < 0.06
    assert accuracy(swapped, p_true[:, K:]) == pytest.approx(accuracy(p, p_true[:, K:]), abs=0.015)


def test_turning_the_points_leaves_the_answers(head, problems):
    x, y, p_true = problems
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0]
    p, turned = probabilities(head, x, y), probabilities(head, np.float32(x @ turn), y)
    assert np.abs(p - turned).mean() < 0.06
    assert accuracy(turned, p_true[:, K:]) == pytest.approx(accuracy(p, p_true[:, K:]), abs=0.015)


def test_the_order_of_the_examples_does_not_matter(head, problems):
    x, y, _ = problems
    order = np.random.default_rng(0).permutation(K)
    one = head_logits(head, x[:8, :K], y[:8, :K], x[:8, K:])
    other = head_logits(head, x[:8, order], y[:8, order], x[:8, K:])
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_answers_move_with_every_example_by_gradient(head, problems):
    x, y, _ = (torch.from_numpy(part[:2]) for part in problems)
    labels = y[:, :K].clone().requires_grad_()
    logit = head.answer(x[:, :K], labels, x[:, K : K + 1]).sum()
    (to_labels,) = torch.autograd.grad(logit, labels)
    assert to_labels.abs().gt(0).all()


def test_the_card_tells_what_the_file_is(head):
    card = shipped.shipped_card("small")
    assert shipped.shipped_names() == ["small"]
    assert card["parameters"] == sum(p.numel() for p in head.parameters())
    assert card["bytes"] == len(shipped.shipped_weights("small")) < 25e6
    assert card["licence"] == "Apache-2.0"
    assert card["measured"], "a card without figures"


def test_a_file_that_is_not_the_card_s_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    (tmp_path / "tart-mine.json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(ValueError, match="not the file its card tells of"):
        shipped.shipped_weights("mine")
    with pytest.raises(ValueError, match=r"no reasoning head 'small' .*there: mine"):
        shipped.shipped_card("small")
