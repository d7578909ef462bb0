"""Attention of tokens that have a context in common: part by part, nothing hidden computed.

softmax over all keys is a weighted mean of the softmaxes over parts of them, with weights from the
parts' log-sums of exponentials (as in FlashAttention). What many tokens see of earlier ones is a
part without a mask, where heads that share keys are rows of one product; one mask over all parts
would compute mostly what it hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_NAME = "headwater-context"


class Remembered(Exception):
    """A pass has left all keys and values in the cache: what follows would only make states."""


@contextmanager
def shared_context(model: Any) -> Iterator[None]:
    """Has a transformers model attend by `attend` inside the block."""
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, attend)
    usual = model.config._attn_implementation
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(usual)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    scaling: float | None = None,
    own: Sequence[slice] = (),
    shared: Sequence[tuple[slice, slice]] = (),
    remember_only: bool = False,
    **others: Any,
) -> tuple[Tensor, None]:
    """L tokens after C others: (1, H, L, N), keys and values (1, K, C + L, N) -> (1, L, H, N).

    The signature is transformers'. own: pieces that cover the L tokens in order; a token sees those
    before it in its piece. shared: (tokens of the L, keys) that these tokens see as well. Without
    them all tokens are one piece and see the whole context. Raises Remembered in the last layer
    when asked to remember only, and ValueError for models whose attention has more to it.
    """
    if remember_only and module.layer_idx == module.config.num_hidden_layers - 1:
        raise Remembered
    beyond = ("sliding_window", "softcap", "s_aux")
    unknown = [name for name in beyond if others.get(name) is not None]
    if unknown:
        raise ValueError(f"TART cannot read in context with a model that has {unknown[0]}")
    H, L, N = query.shape[1:]
    K, C = key.shape[1], key.shape[2] - L
    scale = N**-0.5 if scaling is None else scaling
    if not own:
        own, shared = [slice(0, L)], [(slice(0, L), slice(0, C))] if C else []
    k, v = (t[:, :, C:].repeat_interleave(H // K, 1) for t in (key, value))
    parts = [
        _part(query[:, :, piece], k[:, :, piece], v[:, :, piece], scale, causal=True)
        for piece in own
    ]
    out, total = (torch.cat(part, 2).float() for part in zip(*parts, strict=True))
    for tokens, keys in shared:
        folded = query[:, :, tokens].reshape(1, K, -1, N)  # (1, K, H / K * tokens, N)
        seen, mass = _part(folded, key[:, :, keys], value[:, :, keys], scale)
        mass = mass.reshape(1, H, -1)
        weight = torch.sigmoid(mass - total[:, :, tokens]).unsqueeze(-1)
        out[:, :, tokens].lerp_(seen.reshape(1, H, -1, N).float(), weight)
        total[:, :, tokens] = torch.logaddexp(total[:, :, tokens], mass)
    return out.to(query.dtype).transpose(1, 2), None


def _part(
    q: Tensor, k: Tensor, v: Tensor, scale: float, causal: bool = False
) -> tuple[Tensor, Tensor]:
    """Attention to a part of the keys, (1, H, L, N), and the log-sum of exponentials, (1, H, L)."""
    if q.device.type == "cpu":
        # PyTorch's public function keeps the second result to itself.
        fused: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, total = fused(q, k, v, 0.0, causal, scale=scale)
        return out, total
    return part_reference(q, k, v, scale, causal)


def part_reference(
    q: Tensor, k: Tensor, v: Tensor, scale: float, causal: bool = False
) -> tuple[Tensor, Tensor]:
    """What `_part` gives, written out in float32; what runs where there is no fused one."""
    scores = (q.float() * scale) @ k.float().mT
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    total = scores.logsumexp(-1)
    return ((scores - total.unsqueeze(-1)).exp() @ v.float()).to(q.dtype), total
