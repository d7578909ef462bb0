"""Attention of tokens that have a context in common: part by part, nothing hidden computed.

softmax over all keys is a weighted mean of the softmaxes over parts of them, with weights from the
parts' log-sums of exponentials (as in FlashAttention). The tokens of a pass form a tree: what a
node's descendants see of it, and what all see of the context, are parts without a mask, where heads
that share keys are rows of one product; one mask over all would compute mostly what it hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

_NAME = "headwater-context"


class Remembered(Exception):
    """A pass has left all keys and values in the cache: what follows would only make states."""


class Node(NamedTuple):
    """Tokens begin .. end - 1 of a pass, and those that follow them, end .. last - 1.

    Tokens of a node see those before in it, what it follows, and the context.
    """

    begin: int
    end: int
    last: int


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
    nodes: Sequence[Node] = (),
    remember_only: bool = False,
    **others: Any,
) -> tuple[Tensor, None]:
    """L tokens after C others: (1, H, L, N), keys and values (1, K, C + L, N) -> (1, L, H, N).

    The signature is transformers'. nodes: they cover the L tokens in order; all are one node
    without any. Raises Remembered in the last layer when asked to remember only, and ValueError for
    models whose attention has more to it.
    """
    if remember_only and module.layer_idx == module.config.num_hidden_layers - 1:
        raise Remembered
    unknown = [name for name in ("sliding_window", "softcap", "s_aux") if others.get(name)]
    if unknown:
        raise ValueError(f"TART cannot read in context with a model that has {unknown[0]}")
    H, L, N = query.shape[1:]
    K, C = key.shape[1], key.shape[2] - L
    scale = N**-0.5 if scaling is None else scaling
    nodes = nodes or [Node(0, L, L)]
    k, v = (t[:, :, C:].repeat_interleave(H // K, 1) for t in (key, value))
    own = []
    for node in nodes:
        at = slice(node.begin, node.end)
        own.append(_part(query[:, :, at], k[:, :, at], v[:, :, at], scale, causal=True))
    out, total = (torch.cat(parts, 2).float() for parts in zip(*own, strict=True))

    def see(asking: slice, seen: slice) -> None:
        """Tokens `asking` see all keys `seen` too."""
        folded = query[:, :, asking].reshape(1, K, -1, N)  # (1, K, H / K * L, N)
        part, mass = _part(folded, key[:, :, seen], value[:, :, seen], scale)
        mass = mass.reshape(1, H, -1)
        weight = torch.sigmoid(mass - total[:, :, asking]).unsqueeze(-1)
        out[:, :, asking].lerp_(part.reshape(1, H, -1, N).float(), weight)
        total[:, :, asking] = torch.logaddexp(total[:, :, asking], mass)

    for node in nodes:
        if node.last > node.end:
            see(slice(node.end, node.last), slice(C + node.begin, C + node.end))
    if C:
        see(slice(L), slice(C))
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
