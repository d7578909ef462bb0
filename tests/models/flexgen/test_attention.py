"""Attention against the equation, and the sparse kind against a literal simulation."""

import pytest
import torch

from models.flexgen import attention


def drawn(B, heads, kv_heads, T, dim):
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(B, 1, heads, dim, generator=generator)
    k, v = (torch.randn(B, kv_heads, T, dim, generator=generator) for _ in range(2))
    return q, k, v


def one_head(q, k, v, hidden, sparsity):
    """softmax(q k^T / sqrt(d)) v for one query, keeping the likeliest past positions and itself."""
    scores = torch.stack([q @ key for key in k]) / q.shape[0] ** 0.5
    scores[:hidden] = -torch.inf
    weights = scores.softmax(0)
    past = len(k) - 1
    count = int(sparsity * (past - int(hidden)))
    kept = set(weights[:past].argsort(descending=True)[:count].tolist()) | {past}
    return sum(weights[t] * v[t] for t in kept)


def reference(q, k, v, pads, sparsity):
    B, _, heads, _ = q.shape
    group = heads // k.shape[1]
    rows = [
        [one_head(q[b, 0, h], k[b, h // group], v[b, h // group], pads[b], sparsity)
         for h in range(heads)]
        for b in range(B)
    ]  # fmt: skip
    return torch.stack([torch.cat(row) for row in rows])[:, None]


@pytest.mark.parametrize("sparsity", [1.0, 0.5, 0.1], ids=lambda s: f"keep{s}")
@pytest.mark.parametrize("T", [1, 2, 13])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)], ids=["all", "grouped"])
def test_sparse_decoding_is_the_simulation(heads, kv_heads, T, sparsity):
    q, k, v = drawn(3, heads, kv_heads, T, 8)
    pads = torch.tensor([0, min(1, T - 1), min(5, T - 1)])
    got = attention.decode_sparse(q, k, v, pads, sparsity)
    torch.testing.assert_close(got, reference(q, k, v, pads, sparsity), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("T", [1, 7])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)], ids=["all", "grouped"])
def test_dense_decoding_is_sparse_with_all(heads, kv_heads, T):
    q, k, v = drawn(2, heads, kv_heads, T, 16)
    pads = torch.tensor([0, T // 2])
    got = attention.decode(q, k, v, pads)
    torch.testing.assert_close(got, attention.decode_sparse(q, k, v, pads, 1.0))
    without = attention.decode(q, k, v, None)
    torch.testing.assert_close(without, attention.decode(q, k, v, torch.zeros(2)))


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)], ids=["all", "grouped"])
def test_prefill_is_decoding_position_by_position(heads, kv_heads):
    B, L, dim = 2, 9, 8
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(B, L, heads, dim, generator=generator)
    k, v = (torch.randn(B, L, kv_heads, dim, generator=generator) for _ in range(2))
    pads = torch.tensor([0, 4])
    got = attention.prefill(q, k, v, pads)
    assert got.isfinite().all()
    for t in range(L):
        past = (k[:, : t + 1].transpose(1, 2), v[:, : t + 1].transpose(1, 2))
        step = attention.decode(q[:, t : t + 1], *past, pads)
        real = t >= pads
        torch.testing.assert_close(got[real, t], step[real, 0], atol=1e-5, rtol=1e-5)
    causal = attention.prefill(q[:1], k[:1], v[:1], None)
    torch.testing.assert_close(causal, got[:1], atol=1e-5, rtol=1e-5)
