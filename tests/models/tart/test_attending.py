"""Attention put together from parts is attention under one mask over everything."""

import pytest
import torch

from models.tart.attending import Remembered, _part, attend, part_reference

H, K, N = 6, 2, 8
# Pieces of 3, 1, 2, 2 and 1 tokens; the second and third see the first one as well, the fourth
# the first and the third. What lies before them all is the context.
OWN = [slice(0, 3), slice(3, 4), slice(4, 6), slice(6, 8), slice(8, 9)]
SEEN = {1: [0], 2: [0], 3: [0, 2]}


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


def shown(context):
    seen = torch.zeros(9, context + 9, dtype=torch.bool)
    seen[:, :context] = True
    for i, at in enumerate(OWN):
        n = at.stop - at.start
        seen[at, context + at.start : context + at.stop] = torch.ones(n, n).tril().bool()
        for j in SEEN.get(i, ()):
            seen[at, context + OWN[j].start : context + OWN[j].stop] = True
    return seen


@pytest.mark.parametrize("context", [0, 1, 7])
def test_parts_are_one_softmax(context):
    query, key, value = drawn(9, context)
    shared = [(slice(0, 9), slice(0, context))] if context else []
    for tokens, piece in ((slice(3, 8), OWN[0]), (OWN[3], OWN[2])):
        shared.append((tokens, slice(context + piece.start, context + piece.stop)))
    out, _ = attend(None, query, key, value, None, own=OWN, shared=shared)
    torch.testing.assert_close(out, whole(query, key, value, shown(context)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("context", [0, 7])
def test_one_piece_sees_what_is_before(context):
    query, key, value = drawn(9, context)
    out, _ = attend(None, query, key, value, None)
    seen = torch.ones(9, context + 9).tril(context).bool()
    torch.testing.assert_close(out, whole(query, key, value, seen), atol=1e-5, rtol=1e-5)


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
