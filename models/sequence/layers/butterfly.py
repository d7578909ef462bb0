"""Learned butterflies: the FFT's small matrices become parameters, the inverse stays fixed.

LongConv section 4.3 (FlashButterfly's extension): with the DFT's own matrices, which is how it
begins, this is the long convolution; training may find another transform.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.sequence.layers.mixer import Rate
from models.sequence.ops.fft import check_operands
from models.sequence.ops.monarch import balanced_factors, dft_matrix, monarch_fft

_RATE = 1e-3


class Butterfly(nn.Module):
    """A transform of N points a channel from matrices (D, N_i, N_i), at first the DFT.

    noise: deviation of what is added to the matrices at the start; the code's .01.
    """

    rates: dict[str, Rate]

    def __init__(self, width: int, factors: Sequence[int], noise: float = 0.0) -> None:
        super().__init__()
        self.factors = tuple(factors)
        self.rates = {}
        for i, n in enumerate(self.factors):
            matrix = torch.view_as_real(dft_matrix(n).repeat(width, 1, 1)).clone()  # (D, n, n, 2)
            noisy = nn.Parameter(matrix + noise * torch.randn_like(matrix))
            self.register_parameter(f"matrix{i}", noisy)
            self.rates[f"matrix{i}"] = Rate(_RATE)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D, N) complex -> (..., D, N) complex."""
        kept = (self.get_parameter(name) for name in self.rates)  # in the order of the factors
        own = [torch.view_as_complex(matrix).to(x.dtype) for matrix in kept]
        return monarch_fft(x, self.factors, own)


class ButterflyConv(nn.Module):
    """ops/fft.py's convolution with learned transforms of input and kernel: (B, D, L) -> same.

    Once trained away from the DFT it is no convolution any more, and not causal. O(D L sqrt L).
    """

    def __init__(self, width: int, longest: int, *, order: int = 2, noise: float = 0.0) -> None:
        """longest: largest L; a transform has the next power of two of 2 L points."""
        super().__init__()
        self.longest = longest
        size = 1 << (2 * longest - 1).bit_length()
        self.factors = balanced_factors(size, order)
        self.of_input, self.of_kernel = (Butterfly(width, self.factors, noise) for _ in range(2))

    def forward(self, u: Tensor, k: Tensor) -> Tensor:
        """u (B, D, L), k (D, K) -> (B, D, L). Raises ValueError for shapes that do not fit."""
        check_operands(u, k, None)
        length, size = u.shape[-1], torch.Size(self.factors).numel()
        if length > self.longest:
            raise ValueError(f"butterfly: {length} steps, but it was made for {self.longest}")
        k = k[:, :length]
        dtype = torch.promote_types(u.dtype, torch.complex64)
        u_f = self.of_input(F.pad(u, (0, size - length)).to(dtype))
        k_f = self.of_kernel(F.pad(k, (0, size - k.shape[-1])).to(dtype))
        y = monarch_fft((u_f * k_f).conj(), self.factors).real / size
        return y[..., :length].to(u.dtype)
