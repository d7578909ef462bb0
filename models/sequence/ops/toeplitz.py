"""Causal convolution with filters of medium length as two matrix products a block. Exact.

With blocks of T >= K - 1 steps, an output meets inputs of its own block and of the one before:

    y^(c) = T_0 u^(c) + T_1 u^(c-1),   T_0[i, j] = k[i - j],   T_1[i, j] = k[T + i - j]

StripedHyena 2's scheme for its medium filters (Hyena-MR). O(B D L T), all of it in products.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.sequence.ops.fft import check_operands


def toeplitz_conv(u: Tensor, k: Tensor, block: int = 128) -> Tensor:
    """u (B, D, L) with k (D, K): (B, D, L). Same sum as ops/fft.py's, K <= block + 1.

    Raises ValueError for shapes that do not fit and kernels longer than a block reaches.
    """
    check_operands(u, k, None)
    taps = min(k.shape[-1], u.shape[-1])
    if taps > block + 1:
        raise ValueError(f"toeplitz_conv: {taps} taps are more than a block of {block} reaches")
    B, D, length = u.shape
    chunks = -(-length // block)
    lag = torch.arange(block, device=u.device)
    lag = lag.unsqueeze(1) - lag  # (T, T)
    padded = F.pad(k[:, :taps], (1, 2 * block - taps))  # tap -1 and all beyond the last are 0
    own, earlier = padded[:, lag.clamp(min=-1) + 1], padded[:, lag + block + 1]  # (D, T, T)
    parts = F.pad(u, (block, chunks * block - length))  # one block of zeros before the first
    parts = parts.view(B, D, chunks + 1, block).permute(1, 3, 0, 2)  # (D, T, B, chunks + 1)
    now, before = (p.reshape(D, block, -1) for p in (parts[..., 1:], parts[..., :-1]))
    y = torch.baddbmm(own @ now, earlier, before)  # (D, T, B * chunks)
    y = y.view(D, block, B, chunks).permute(2, 0, 3, 1)
    return y.reshape(B, D, -1)[..., :length]
