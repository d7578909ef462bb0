"""The reasoning head: token layouts, causality, size, initial state, and what it refuses."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.tart.config import SMALL, STANDARD, TINY, HeadConfig
from models.tart.module import (
    ReasoningHead,
    attend,
    interleaved_tokens,
    paired_mask,
    paired_tokens,
)

LAYOUTS = [("paired", "none"), ("interleaved", "learned"), ("paired", "learned")]
layouts = pytest.mark.parametrize(("tokens", "positions"), LAYOUTS)


def small_head(
    tokens="paired",
    positions="none",
    *,
    points=7,
    dtype=torch.float64,
    attention="causal",
    activation="gelu",
):
    config = HeadConfig(
        width_in=3,
        points=points,
        layers=2,
        heads=2,
        width=8,
        tokens=tokens,
        positions=positions,
        attention=attention,
        activation=activation,
    )
    head = ReasoningHead(config, seed=1).to(dtype)
    for parameter in head.parameters():  # away from GPT-2's small start, so that effects show
        parameter.data.mul_(5)
    return head


def problems(batch=2, points=7, width=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, points, width, generator=generator, dtype=torch.float64)
    y = (torch.rand(batch, points, generator=generator) < 0.5).double()
    return x, y


def head_reference(head, x, y):
    """Logits by the equations of a pre-norm Transformer, token by token and head by head."""
    paired = head.config.tokens == "paired"
    h = head.read_in(paired_tokens(x, y) if paired else interleaved_tokens(x, y))
    if head.places is not None:
        h = h + head.places[: h.shape[1]]
    L, D = h.shape[1:]
    N = D // head.config.heads
    for block in head.blocks:
        q, k, v = block.qkv(block.norm_attention(h)).split(D, dim=-1)
        mixed = torch.zeros_like(h)
        for t in range(L):
            seen = [s for s in range(t + 1) if s == t or s % 2 == 1 or not paired]
            for n in range(0, D, N):
                score = (k[:, seen, n : n + N] @ q[:, t, n : n + N, None])[..., 0] / math.sqrt(N)
                share = score.exp() / score.exp().sum(-1, keepdim=True)
                mixed[:, t, n : n + N] = (share[..., None] * v[:, seen, n : n + N]).sum(1)
        h = h + block.attention_out(mixed)
        h = h + block.down(F.gelu(block.up(block.norm_mlp(h)), approximate="tanh"))
    return head.read_out(head.norm_out(h))[:, ::2, 0]


@layouts
@pytest.mark.parametrize("points", [1, 2, 7], ids="P{}".format)
def test_head_equals_its_reference_in_value_and_gradient(tokens, positions, points):
    head, (x, y) = small_head(tokens, positions), problems(points=points)
    parameters = list(head.parameters())
    ours, reference = head(x, y), head_reference(head, x, y)
    torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-12)
    gradients = (torch.autograd.grad(out.square().sum(), parameters) for out in (ours, reference))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def answer_reference(head, x, y, query):
    """The logit of one query after k examples that all see one another, by the equations."""
    sign = torch.cat((2 * y - 1, torch.zeros_like(y[:, :1])), 1)
    h = head.read_in(torch.cat((torch.cat((x, query), 1), sign[..., None]), -1))
    k, D = x.shape[1], h.shape[-1]
    N = D // head.config.heads
    for block in head.blocks:
        q, key, v = block.qkv(block.norm_attention(h)).split(D, dim=-1)
        mixed = []
        for n in range(0, D, N):
            part = slice(n, n + N)
            score = q[..., part] @ key[:, :k, part].mT / math.sqrt(N)
            mixed.append(torch.softmax(score, -1) @ v[:, :k, part])
        h = h + block.attention_out(torch.cat(mixed, -1))
        h = h + block.down(torch.relu(block.up(block.norm_mlp(h))) ** 2)
    return head.read_out(head.norm_out(h))[:, -1, 0]


@pytest.mark.parametrize("k", [1, 2, 6], ids="k{}".format)
def test_answers_equal_their_reference_in_value_and_gradient(k):
    head = small_head(attention="context", activation="relu2")
    x, y = problems(points=k + 3)
    asked = x[:, k:]
    ours = head.answer(x[:, :k], y[:, :k], asked)
    reference = torch.stack(
        [answer_reference(head, x[:, :k], y[:, :k], asked[:, i : i + 1]) for i in range(3)], 1
    )
    torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-12)
    parameters = list(head.parameters())
    gradients = (torch.autograd.grad(out.square().sum(), parameters) for out in (ours, reference))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@layouts
@pytest.mark.parametrize("k", [1, 3, 6], ids="k{}".format)
def test_causal_heads_answer_as_they_read_sequences(tokens, positions, k):
    head, (x, y) = small_head(tokens, positions), problems()
    swapped = torch.cat((x[:, k : k + 1], x[:, :1]), 1)  # two queries that do not see each other
    answers = head.answer(x[:, :k], y[:, :k], swapped)
    torch.testing.assert_close(answers[:, 0], head(x, y)[:, k], rtol=1e-10, atol=1e-10)


def test_the_order_of_the_examples_does_not_matter_where_they_see_one_another():
    head, (x, y) = small_head(attention="context"), problems()
    order = [4, 2, 0, 5, 1, 3]
    one = head.answer(x[:, :6], y[:, :6], x[:, 6:])
    other = head.answer(x[:, order], y[:, order], x[:, 6:])
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_an_answer_depends_on_every_example_and_its_own_query_alone_by_gradient():
    head, (x, y) = small_head(attention="context"), problems()
    examples, labels, asked = x[:, :5].clone(), y[:, :5].clone(), x[:, 5:].clone()
    for part in (examples, labels, asked):
        part.requires_grad_()
    logits = head.answer(examples, labels, asked)
    to_x, to_y, to_query = torch.autograd.grad(logits[:, 0].sum(), (examples, labels, asked))
    assert to_x.abs().sum(-1).gt(0).all()
    assert to_y.abs().gt(0).all()
    assert to_query[:, 0].abs().sum(-1).gt(0).all()
    assert not to_query[:, 1:].any(), "another query is seen"


def test_attention_written_out_is_pytorch_s():
    q, k, v = torch.randn(3, 2, 3, 5, 4, dtype=torch.float64)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    for shown in (mask, None):
        expected = F.scaled_dot_product_attention(q, k, v, attn_mask=shown)
        torch.testing.assert_close(attend(q, k, v, shown), expected, rtol=1e-10, atol=1e-12)


def test_heads_that_read_examples_as_a_set_read_no_sequences():
    with pytest.raises(ValueError, match="use answer"):
        small_head(attention="context")(*problems())


@pytest.mark.parametrize("layout", [{"tokens": "interleaved"}, {"positions": "learned"}])
def test_a_set_of_examples_has_no_order_to_encode(layout):
    with pytest.raises(ValueError, match="set attention to 'causal'"):
        HeadConfig(**layout)


def test_interleaved_tokens_put_points_on_even_and_labels_on_odd_rows():
    x, y = problems()
    z = interleaved_tokens(x, y)
    assert z.shape == (2, 14, 3)
    assert torch.equal(z[:, 0::2], x)
    assert torch.equal(z[:, 1::2, 0], y)
    assert not z[:, 1::2, 1:].any()


def test_paired_tokens_put_unlabelled_points_on_even_and_labelled_points_on_odd_rows():
    x, y = problems()
    z = paired_tokens(x, y)
    assert z.shape == (2, 14, 4)
    assert torch.equal(z[:, 0::2, :3], x)
    assert torch.equal(z[:, 1::2, :3], x)
    assert not z[:, 0::2, 3].any()
    assert torch.equal(z[:, 1::2, 3], 2 * y - 1)


def test_paired_mask_shows_oneself_and_the_examples_before():
    assert paired_mask(3).int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 0, 1, 0, 0],
        [0, 1, 0, 1, 1, 0],
        [0, 1, 0, 1, 0, 1],
    ]


@layouts
def test_logit_depends_on_labels_before_and_points_up_to_its_own_by_gradient(tokens, positions):
    head, (x, y) = small_head(tokens, positions), problems()
    x.requires_grad_()
    y.requires_grad_()
    for i, logit in enumerate(head(x, y).sum(0)):
        to_x, to_y = torch.autograd.grad(logit, (x, y), retain_graph=True)
        assert not to_y[:, i:].any(), "a label is seen at or before its own prediction"
        assert not to_x[:, i + 1 :].any(), "a later point is seen"
        assert to_y[:, :i].abs().sum(0).gt(0).all(), "an earlier label is not seen"
        assert to_x[:, : i + 1].abs().sum((0, 2)).gt(0).all(), "an earlier point is not seen"


@layouts
def test_more_points_change_no_earlier_logit(tokens, positions):
    head, (x, y) = small_head(tokens, positions), problems()
    for points in (1, 2, 5):
        shorter = head(x[:, :points], y[:, :points])
        torch.testing.assert_close(shorter, head(x, y)[:, :points], rtol=1e-10, atol=1e-10)


def test_without_positions_the_order_of_the_examples_does_not_matter_to_one_layer():
    # One layer sees the examples as a set; deeper ones do not, since examples see those before.
    config = HeadConfig(width_in=3, points=7, layers=1, heads=2, width=8, attention="causal")
    head, (x, y) = ReasoningHead(config).double(), problems()
    order = [4, 2, 0, 5, 1, 3, 6]
    shuffled = head(x[:, order], y[:, order])
    torch.testing.assert_close(shuffled[:, -1], head(x, y)[:, -1], rtol=1e-10, atol=1e-10)


def test_standard_head_has_the_size_of_the_paper_s_without_its_dead_embedding_table():
    parameters = sum(p.numel() for p in ReasoningHead(STANDARD).parameters())
    assert parameters == 9_614_337
    assert parameters + 50_257 * 256 == 22_480_129


@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
def test_loss_starts_at_ln_2(config):
    x, y = problems(64, config.points, config.width_in)
    x, y, k = x.float(), y.float(), config.points // 2
    with torch.no_grad():
        logits = ReasoningHead(config).answer(x[:, :k], y[:, :k], x[:, k:])
    loss = F.binary_cross_entropy_with_logits(logits, y[:, k:])
    assert loss.item() == pytest.approx(math.log(2), abs=0.02)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(123)
    one = ReasoningHead(TINY, seed=5).state_dict()
    torch.manual_seed(321)
    other = ReasoningHead(TINY, seed=5).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    different = ReasoningHead(TINY, seed=6).state_dict()
    assert not torch.equal(one["read_in.weight"], different["read_in.weight"])


@layouts
def test_more_points_than_the_head_was_built_for_are_refused(tokens, positions):
    head = small_head(tokens, positions, points=6)
    x, y = problems(points=7)
    with pytest.raises(ValueError, match=r"at most 6 points .* got 7"):
        head(x, y)
    with pytest.raises(ValueError, match=r"at most 6 points .* got 7"):
        head.answer(x[:, :6], y[:, :6], x[:, 6:])


def test_points_of_another_width_are_refused():
    with pytest.raises(ValueError, match="3 coordinates, got 4"):
        small_head()(*problems(width=4))
