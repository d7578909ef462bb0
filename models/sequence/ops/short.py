"""Causal convolution with a few taps, by shifted multiply-adds. Exact; O(B D L K).

The same sum as ops/fft.py's. Grouped convolutions of torch take ten times as long on a processor
for the three taps that stand after every projection (Hyena appendix D.3, H3's shift).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.sequence.ops.fft import check_operands


def short_conv(u: Tensor, k: Tensor) -> Tensor:
    """u (B, D, L) with k (D, K), K small; tap s meets the input s steps earlier. (B, D, L).

    Raises ValueError for shapes that do not fit.
    """
    check_operands(u, k, None)
    return _ShortConv.apply(u, k)  # type: ignore[no-untyped-call]


class _ShortConv(torch.autograd.Function):
    """Keeps u and k alone."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, k: Tensor) -> Tensor:
        ctx.save_for_backward(u, k)
        length = u.shape[-1]
        y = u * k[:, :1]
        for s in range(1, min(k.shape[-1], length)):
            y[..., s:].addcmul_(u[..., : length - s], k[:, s : s + 1])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        u, k = ctx.saved_tensors
        dy = dy.contiguous()
        length, taps = u.shape[-1], min(k.shape[-1], u.shape[-1])
        du = dk = None
        if ctx.needs_input_grad[0]:
            du = dy * k[:, :1]
            for s in range(1, taps):
                du[..., : length - s].addcmul_(dy[..., s:], k[:, s : s + 1])
        if ctx.needs_input_grad[1]:
            dk = torch.zeros_like(k)
            for s in range(taps):
                dk[:, s] = torch.linalg.vecdot(dy[..., s:], u[..., : length - s]).sum(0)
        return du, dk
