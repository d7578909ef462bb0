"""Attention put together from parts is attention under one mask over everything."""

import pytest
import torch

from models.tart.attending import Node, Remembered, _part, attend, part_reference

H, K, N = 6, 2, 8
# A node of 3 tokens that two others follow, one of them followed by another; then a second tree.
TREE = (Node(0, 3, 8), Node(3, 4, 4), Node(4, 6, 8), Node(6, 8, 8), Node(8, 9, 9))
PARENTS = (-1, 0, 0, 2, -1)


def drawn(length, context):
    torch.manual_seed(length + context)
    return tuple(
        torch.randn(1, heads, n, N)
        for heads, n in ((H, length), (K, context + length), (K, context + length))
    )


def whole(query, key, value, seen):
    """Softmax over the keys that `seen` (L, C + L) shows."""
    k, v = (t.repeat_interleave(H // K, 1) for t in (key, value))
    scores = (query @ k.mT * N**-0.5).masked_fill(~seen, -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2)


def shown(nodes, parents, context):
    length = nodes[-1].end
    seen = torch.zeros(length, context + length, dtype=torch.bool)
    seen[:, :context] = True
    for node, parent in zip(nodes, parents, strict=True):
        at = slice(node.begin, node.end)
        if parent >= 0:  # what it follows, and all that this one follows
            before = nodes[parent]
            seen[at, context:] |= seen[before.end - 1, context:]
        n = node.end - node.begin
        seen[at, context + node.begin : context + node.end] = torch.ones(n, n).tril().bool()
    return seen


@pytest.mark.parametrize("context", [0, 1, 7])
@pytest.mark.parametrize("tree", [True, False], ids=["tree", "one node"])
def test_parts_are_one_softmax(context, tree):
    nodes, parents = (TREE, PARENTS) if tree else ((Node(0, 9, 9),), (-1,))
    query, key, value = drawn(9, context)
    out, _ = attend(None, query, key, value, None, nodes=nodes if tree else ())
    expected = whole(query, key, value, shown(nodes, parents, context))
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_fused_parts_are_their_reference(causal):
    query, key, value = drawn(5, 0)
    k, v = (t.repeat_interleave(H // K, 1) for t in (key, value))
    for one, other in zip(
        _part(query, k, v, 0.3, causal), part_reference(query, k, v, 0.3, causal), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


class _Last(torch.nn.Module):
    layer_idx = 1

    class config:
        num_hidden_layers = 2


def test_the_last_layer_is_left_where_nothing_is_asked():
    with pytest.raises(Remembered):
        attend(_Last(), *drawn(2, 1), None, remember_only=True)


def test_attention_with_more_to_it_is_refused():
    with pytest.raises(ValueError, match="a model that has sliding_window"):
        attend(None, *drawn(2, 1), None, sliding_window=4)
