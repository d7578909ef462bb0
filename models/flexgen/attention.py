"""Attention of new positions over keys and values in place: dense, and over the top k only."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention


def prefill(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pads: torch.Tensor | None
) -> torch.Tensor:
    """Causal attention of whole prompts, of which the first `pads` (B,) positions are padding.

    q (B, L, heads, dim), k and v (B, L, kv_heads, dim) to (B, L, heads * dim).
    """
    B, L, heads, dim = q.shape
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    grouped = heads != k.shape[1]
    if pads is None:
        y = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
    else:
        at = torch.arange(L)
        causal = at[:, None] >= at[None, :]  # (L, L)
        seen = causal & (at[None, None, :] >= pads[:, None, None])  # (B, L, L)
        seen |= torch.eye(L, dtype=torch.bool)  # padding sees itself: no row is without a key
        y = scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None], enable_gqa=grouped)
    return y.transpose(1, 2).reshape(B, L, heads * dim)


def prefill_rounded(
    q: torch.Tensor,
    new: tuple[torch.Tensor, torch.Tensor],
    cached: tuple[torch.Tensor, torch.Tensor],
    pads: torch.Tensor | None,
    group: int,
) -> torch.Tensor:
    """Attention of whole texts as decoding with a lossy cache does it, all positions at once.

    A position sees those of its own group of `group` positions as they are (`new`) and those of
    groups before it as they come out of the cache (`cached`); each (B, L, kv_heads, dim).
    """
    B, L, heads, dim = q.shape
    groups = heads // new[0].shape[2]
    q = q.transpose(1, 2)
    k, v, past_k, past_v = (
        part.transpose(1, 2).repeat_interleave(groups, dim=1) for part in (*new, *cached)
    )
    scores = q @ past_k.transpose(2, 3)  # (B, heads, L, L)
    own = [slice(start, start + group) for start in range(0, L, group)]
    for at in own:
        scores[:, :, at, at] = q[:, :, at] @ k[:, :, at].transpose(2, 3)
    order = torch.arange(L)
    seen = (order[:, None] >= order[None, :])[None]
    if pads is not None:
        seen = seen & (order >= pads[:, None])[:, None, :] | torch.eye(L, dtype=torch.bool)
    scores = (scores.float() * dim**-0.5).masked_fill(~seen[:, None], -torch.inf)
    weights = scores.softmax(-1).to(v.dtype)
    y = weights @ past_v
    for at in own:
        y[:, :, at] += weights[:, :, at, at] @ (v - past_v)[:, :, at]
    return y.transpose(1, 2).reshape(B, L, heads * dim)


def decode(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pads: torch.Tensor | None
) -> torch.Tensor:
    """Attention of one new position over all T so far, itself included.

    q (B, 1, heads, dim), k and v (B, kv_heads, T, dim) to (B, 1, heads * dim). The heads of a
    group stand where positions usually do, so that its keys are read once and never repeated.
    Written as two products: measured on a processor, torch's fused attention takes five times as
    long for a single position in bfloat16, and no less in float32.
    """
    B, _, heads, dim = q.shape
    kv_heads, T = k.shape[1], k.shape[2]
    scores = (q.view(B, kv_heads, heads // kv_heads, dim) @ k.transpose(2, 3)).float() * dim**-0.5
    if pads is not None:  # (B, kv, group, T)
        scores = scores.masked_fill((torch.arange(T) < pads[:, None])[:, None, None], -torch.inf)
    return (scores.softmax(-1).to(v.dtype) @ v).reshape(B, 1, heads * dim)


def decode_sparse(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pads: torch.Tensor | None, sparsity: float
) -> torch.Tensor:
    """Like `decode`, but of the past only the likeliest positions are read from v (sec. 5).

    int(sparsity * past) positions a query, padding not counted, and always the current one. Their
    weights are those of the dense softmax: what is left out is not shared among the rest.
    """
    B, _, heads, dim = q.shape
    kv_heads, T = k.shape[1], k.shape[2]
    groups = heads // kv_heads
    scores = q.view(B, kv_heads, groups, dim) @ k.transpose(2, 3) * dim**-0.5  # (B, kv, group, T)
    if pads is not None:
        hidden = torch.arange(T) < pads[:, None]
        scores = scores.masked_fill(hidden[:, None, None], float("-inf"))
    weights = scores.float().softmax(dim=-1).to(v.dtype).flatten(1, 2)  # (B, heads, T)
    past = weights[..., :-1].topk(int(sparsity * (T - 1)), dim=-1)  # likeliest first
    likeliest = past.values
    if pads is not None:  # a shorter sequence keeps fewer
        kept = (sparsity * (T - 1 - pads)).long()[:, None, None]
        likeliest = likeliest.masked_fill(torch.arange(likeliest.shape[-1]) >= kept, 0.0)
    rows = past.indices[..., None].expand(-1, -1, -1, dim)  # (B, heads, kept, dim)
    per_head = v.repeat_interleave(groups, dim=1) if groups > 1 else v
    read = per_head.gather(2, rows)
    y = (likeliest[..., None, :] @ read).squeeze(2) + weights[..., -1:] * per_head[:, :, -1]
    return y.reshape(B, 1, heads * dim)
