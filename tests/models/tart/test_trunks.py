"""Heads whose trunk is made of Hyena or H3 layers."""

import numpy as np
import pytest
import torch

from models.tart.config import HeadConfig, TrainConfig
from models.tart.module import ReasoningHead
from models.tart.train import head_from_bytes, head_to_bytes, train_head

trunks = pytest.mark.parametrize("trunk", ["hyena", "h3"])
CAUSAL = {"tokens": "interleaved", "attention": "causal"}


def head_of(trunk, points=7, width_in=3):
    config = HeadConfig(
        width_in=width_in, points=points, layers=2, heads=2, width=8, trunk=trunk, **CAUSAL
    )
    return ReasoningHead(config, seed=1).double()


def problems(points=7):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, points, 3, generator=generator, dtype=torch.float64)
    return x, (torch.rand(2, points, generator=generator) < 0.5).double()


def signs_on_a_line(step, batch=64, points=8):
    """The sign of x decides, which one is for each problem to say."""
    rng = np.random.default_rng((3, step))
    x = rng.standard_normal((batch, points, 1))
    p_true = 1 / (1 + np.exp(-20 * x[..., 0] * rng.choice([-1, 1], (batch, 1))))
    return tuple(a.astype(np.float32) for a in (x, rng.random(p_true.shape) < p_true, p_true))


@trunks
def test_no_logit_depends_on_its_own_label_or_on_later_points_by_gradient(trunk):
    head, (x, y) = head_of(trunk), problems()
    x, y = x.requires_grad_(), y.requires_grad_()
    to_x, to_y = torch.autograd.grad(head(x, y)[:, 3].sum(), (x, y))
    assert to_x[:, :4].abs().sum(-1).gt(1e-9).all()
    assert to_y[:, :3].abs().gt(1e-9).all()
    assert to_x[:, 4:].abs().max() < 1e-12  # what Fourier transforms round off
    assert to_y[:, 3:].abs().max() < 1e-12


@trunks
@pytest.mark.parametrize("k", [1, 3, 6], ids="k{}".format)
def test_answers_are_those_of_the_whole_sequence(trunk, k):
    head, (x, y) = head_of(trunk), problems()
    many = torch.cat([x[:, k : k + 1], *[x[:, :1]] * 69], 1)  # more queries than are read at once
    answers = head.answer(x[:, :k], y[:, :k], many)
    torch.testing.assert_close(answers[:, 0], head(x, y)[:, k], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(answers[:, 1], answers[:, 69], rtol=1e-9, atol=1e-9)


@trunks
@pytest.mark.parametrize("matrix_learning_rate", [0.02, None], ids=["muon", "adam"])
def test_it_learns_in_context_and_survives_as_bytes(trunk, matrix_learning_rate):
    config = HeadConfig(width_in=1, points=8, layers=2, heads=2, width=16, trunk=trunk, **CAUSAL)
    recipe = TrainConfig(steps=300, warmup=20, matrix_learning_rate=matrix_learning_rate)
    head, records = train_head(config, recipe, signs_on_a_line)
    x, y, _ = (torch.from_numpy(a) for a in signs_on_a_line(10_000, batch=500))
    again = head_from_bytes(head_to_bytes(head), config)
    with torch.no_grad():
        logits = head(x, y)
        assert torch.equal(again(x, y), logits)
    hits = ((logits >= 0) == (y >= 0.5)).float().mean(0)
    assert records[-1].loss < records[0].loss
    assert hits[0] < 0.6, "the first point of a problem cannot be known"
    assert hits[7] > 0.8


@trunks
def test_its_seed_decides_its_weights(trunk):
    one, other = head_of(trunk), head_of(trunk)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@trunks
@pytest.mark.parametrize("layout", [{}, {"attention": "causal"}], ids=["set", "paired"])
def test_a_convolution_takes_sequences_only(trunk, layout):
    with pytest.raises(ValueError, match=f"trunk '{trunk}' reads a sequence"):
        HeadConfig(trunk=trunk, **layout)
