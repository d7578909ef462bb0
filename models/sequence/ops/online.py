"""Causal convolution of an input that comes one step at a time, with a kernel known in full.

    y_t = sum_{s <= t} k_{t-s} u_s

Whenever a block of w = 2^j steps is finished, one FFT of 2 w adds its share to the next w outputs;
within the smallest block the sum is written out. Every pair (s, t) is met once, so this is exact;
all L steps together cost O(B D L log^2 L) (Hyena section 3 generates in O(L^2)).
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.sequence.ops.fft import fft_conv

_BASE = 32  # steps a block that are summed directly


class OnlineConv:
    """y_t for u_t, t = 0, 1, ...: kernel k (D, K), for up to `steps` steps beyond a prompt.

    Without gradients. Raises ValueError when stepped beyond the steps it is for.
    """

    def __init__(self, k: Tensor, batch: int, steps: int, prompt: Tensor | None = None) -> None:
        """prompt: inputs (B, D, P) that were read before; their share is added at once."""
        self._steps, self._done = steps, 0
        self._k = torch.nn.functional.pad(k, (0, max(2 * _BASE - k.shape[-1], 0)))
        self._backwards = self._k[:, :_BASE].flip(-1).contiguous()
        self._spectra: dict[int, Tensor] = {}
        self._u = k.new_zeros(batch, len(k), steps)
        self._y = k.new_zeros(batch, len(k), steps)  # shares of finished blocks and the prompt
        if prompt is not None:
            ahead = torch.nn.functional.pad(prompt, (0, steps))
            self._y += fft_conv(ahead, k)[..., prompt.shape[-1] :]

    def step(self, u: Tensor) -> Tensor:
        """The output (B, D) at this step for its input u (B, D)."""
        t = self._done
        if t == self._steps:
            raise ValueError(f"this convolution was prepared for {self._steps} steps")
        self._u[..., t] = u
        begin = t // _BASE * _BASE
        here = self._u[..., begin : t + 1]
        y = self._y[..., t] + torch.linalg.vecdot(here, self._backwards[:, begin - t - 1 :])
        self._done = t + 1
        if self._done % _BASE == 0:
            self._fold(self._done)
        return y

    def _fold(self, end: int) -> None:
        """Adds the finished block that ends here to as many outputs as it is long."""
        width = end & -end
        wanted = min(width, self._steps - end)
        if wanted < 1:
            return
        block = self._u[..., end - width : end]
        k_f = self._spectra.get(width)
        if k_f is None:
            k_f = self._spectra[width] = torch.fft.rfft(self._k[:, : 2 * width], n=2 * width)
        # Of 3 w - 1 outputs those from w to 2 w - 1 are wanted: none of those beyond wraps there.
        share = torch.fft.irfft(torch.fft.rfft(block, n=2 * width) * k_f, n=2 * width)
        self._y[..., end : end + wanted] += share[..., width : width + wanted]
