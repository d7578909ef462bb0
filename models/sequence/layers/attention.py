"""Causal multi-head attention, torch's scaled_dot_product_attention; the peer of all the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.sequence.layers.mixer import Mixer, Step


class Attention(Mixer):
    """Softmax attention of H heads over all earlier positions: O(D L^2 + D^2 L)."""

    def __init__(self, width: int, heads: int) -> None:
        """Raises ValueError when the heads do not divide the width."""
        super().__init__()
        if width % heads:
            raise ValueError(f"attention: {heads} heads do not divide a width of {width}")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, u: Tensor) -> Tensor:
        return self._mixed(*self._projected(u))

    def _projected(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, H, L, D / H)."""
        q, k, v = self.qkv(u).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def _mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        y = scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))

    def begin(self, u: Tensor, steps: int) -> tuple[Tensor, Step]:
        """Keeps keys and values of every position: memory and time of a step grow with L."""
        q, k, v = self._projected(u)
        kept = torch.empty(2, *k.shape[:2], k.shape[2] + steps, k.shape[3], device=u.device,
                           dtype=u.dtype)  # fmt: skip
        end = k.shape[2]
        kept[0, :, :, :end], kept[1, :, :, :end] = k, v

        def step(u: Tensor) -> Tensor:
            nonlocal end
            q, k, v = self.qkv(u).unflatten(-1, (3, self.heads, -1)).unbind(1)  # (B, H, D / H)
            kept[0, :, :, end], kept[1, :, :, end] = k, v
            end += 1
            y = scaled_dot_product_attention(q.unsqueeze(2), *kept[:, :, :, :end])
            return self.out(y.squeeze(2).flatten(1))

        return self._mixed(q, k, v), step
