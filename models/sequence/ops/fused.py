"""The order-2 Monarch convolution as one Triton kernel for CUDA: padding to skip in one pass.

One program takes one channel of a pair of batch rows as a complex row z = u_a + i u_b: a real
kernel keeps the two apart (their convolutions are real and imaginary part). With N = N_1 N_2,
Z of shape (N_1, N_2), F_1 and F_2 the DFT matrices and T the twiddles (FlashFFTConv section 3.1),

    S = (F_1 Z) * T,   X = S F_2,   Y = X * K_f,   S' = (Y F_2^*) * T^*,   z' = F_1^* S' / N

where K_f stands in the same permuted order, so that nothing is transposed. The upper half of Z is
padding and is never read. float32 sums; exact but for rounding. Without Triton, on a processor, or
for other sizes, ops/fft.py does the same.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch
from torch import Tensor

from models.sequence.ops.fft import check_operands, fft_conv
from models.sequence.ops.monarch import balanced_factors, dft_matrix, twiddles

LONGEST = 8192  # steps; two programs' matrices no longer fit on chip beyond
_SHORTEST = 128  # tl.dot takes at least 16 rows and columns


def fused_available(device: str) -> bool:
    """Whether the kernel can run there: Triton with CUDA, or with its interpreter."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return find_spec("triton") is not None and (device == "cuda" or interpreted)


def permuted_spectrum(k: Tensor, length: int, skip: Tensor | None = None) -> Tensor:
    """Spectra of k (D, K) as the kernel has them, skip inside: (D, 2, N_1, N_2) float32.

    Entry (k_1, k_2) is frequency k_1 + N_1 k_2; length: of the inputs, a power of two.
    """
    rows, columns = balanced_factors(2 * length, 2)
    k_f = torch.fft.fft(k[:, :length].float(), n=2 * length)
    if skip is not None:
        k_f = k_f + skip.unsqueeze(-1)
    permuted = k_f.view(-1, columns, rows).transpose(1, 2)
    return torch.stack([permuted.real, permuted.imag], 1).contiguous()


def fused_conv(u: Tensor, k: Tensor, skip: Tensor | None = None) -> Tensor:
    """The causal convolution of u (B, D, L) with k (D, K), skip (D,): (B, D, L). No gradient.

    Falls back to ops/fft.py where the kernel cannot run. Raises ValueError as that does.
    """
    check_operands(u, k, skip)
    length = u.shape[-1]
    fits = length & (length - 1) == 0 and _SHORTEST <= length <= LONGEST
    if not fits or not fused_available(u.device.type):
        return fft_conv(u, k, skip)
    return fused_conv_permuted(u, permuted_spectrum(k, length, skip))


def fused_conv_permuted(u: Tensor, k_f: Tensor) -> Tensor:
    """The kernel itself: u (B, D, L) with spectra of `permuted_spectrum`, made once for many."""
    B, D, length = u.shape
    rows, columns = k_f.shape[2:]
    u = u.contiguous()
    y = torch.empty_like(u)
    tables = [
        torch.stack([part.real, part.imag]).contiguous().to(u.device)
        for part in (dft_matrix(rows), dft_matrix(columns), twiddles(rows, columns))
    ]
    from models.sequence.ops.fused_kernel import monarch_kernel

    monarch_kernel[((B + 1) // 2, D)](
        u, y, k_f, *tables, B, D, length, N1=rows, N2=columns, num_warps=8
    )
    return y
