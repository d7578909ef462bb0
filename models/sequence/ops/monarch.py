"""FFTs as products of small matrices: FlashConv's block FFT, FlashButterfly, Monarch of any order.

For N = N_1 M (Cooley and Tukey; FlashConv section 4.1, FlashFFTConv section 3.1),

    X[k_1 + N_1 k_2] = sum_{n_2} w_M^{n_2 k_2}  w_N^{n_2 k_1}  S[k_1, n_2],
    S[k_1, n_2]      = sum_{n_1} w_{N_1}^{n_1 k_1} x[M n_1 + n_2],

with w_N = exp(-2 pi i / N): a product with an N_1 x N_1 matrix, twiddle factors, and M-point
transforms of the N_1 rows, which are done likewise. Factors (N_1, N_2) are order 2, three are
order 3. Exact; O(N sum_i N_i). On a processor an FFT is faster; these run on matrix units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.sequence.ops.fft import check_operands

# Balanced factors by size: FlashFFTConv's table, order 2 to 1K, order 3 to 32K.
FACTORS: dict[int, tuple[int, ...]] = {
    256: (16, 16),
    1024: (32, 32),
    4096: (16, 16, 16),
    8192: (32, 16, 16),
    16384: (16, 32, 32),
    32768: (32, 32, 32),
}


def balanced_factors(size: int, order: int) -> tuple[int, ...]:
    """Factors of a power of two, as even as they go: 8192, 2 -> (128, 64).

    Raises ValueError for other sizes and orders below 1.
    """
    bits = size.bit_length() - 1
    if size < 1 or size != 1 << bits or order < 1:
        raise ValueError(f"a Monarch order of at least 1 and a power of two, not {order}, {size}")
    return tuple(1 << (bits // order + (i < bits % order)) for i in range(order))


def dft_matrix(n: int, dtype: torch.dtype = torch.complex64) -> Tensor:
    """F[k, j] = exp(-2 pi i j k / n): (n, n)."""
    j = torch.arange(n)
    return _roots(j.unsqueeze(1) * j % n, n, dtype)


def twiddles(rows: int, columns: int, dtype: torch.dtype = torch.complex64) -> Tensor:
    """exp(-2 pi i j k / (rows columns)) for k < rows, j < columns: (rows, columns)."""
    product = torch.arange(rows).unsqueeze(1) * torch.arange(columns)
    return _roots(product, rows * columns, dtype)


def monarch_fft(
    x: Tensor, factors: Sequence[int], matrices: Sequence[Tensor] | None = None
) -> Tensor:
    """The DFT of complex x (..., D, N), N the product of the factors, in natural order.

    matrices: one a factor instead of the DFT's, (N_i, N_i) or (D, N_i, N_i): learned butterflies.
    Raises ValueError when the factors do not multiply to N.
    """
    size = x.shape[-1]
    if math.prod(factors) != size or not factors:
        raise ValueError(f"factors {tuple(factors)} do not multiply to {size}")
    if matrices is None:
        matrices = [dft_matrix(n, x.dtype).to(x.device) for n in factors]
    return _transform(x.unsqueeze(-2), factors, matrices).squeeze(-2)


def monarch_conv(
    u: Tensor, k: Tensor, skip: Tensor | None = None, factors: Sequence[int] | None = None
) -> Tensor:
    """ops/fft.py's convolution through `monarch_fft`: u (B, D, L), k (D, K) -> (B, D, L).

    factors: of any size of at least L + K - 1; by default of the next power of two.
    """
    check_operands(u, k, skip)
    length = u.shape[-1]
    k = k[:, :length]
    least = length + k.shape[-1] - 1
    if factors is None:
        size = 1 << (least - 1).bit_length()
        factors = FACTORS.get(size) or balanced_factors(size, 2)
    size = math.prod(factors)
    if size < least:
        raise ValueError(f"factors {tuple(factors)} make {size} points; {least} are needed")
    dtype = torch.promote_types(u.dtype, torch.complex64)
    u_f, k_f = (monarch_fft(F.pad(x, (0, size - x.shape[-1])).to(dtype), factors) for x in (u, k))
    if skip is not None:
        k_f = k_f + skip.unsqueeze(-1)
    # The inverse is the transform of the conjugate; what is wanted of it is real.
    y = monarch_fft((u_f * k_f).conj(), factors).real / size
    return y[..., :length].to(u.dtype)


def three_pass_conv(u: Tensor, k: Tensor, skip: Tensor | None = None, rows: int = 16) -> Tensor:
    """The same in FlashButterfly's three passes for sequences beyond one fast memory.

    1: transforms over the stride-l index and twiddles; 2: an FFT convolution of l points in each of
    the `rows` rows; 3: back. Only pass 2 meets the kernel. LongConv section 4.2.
    """
    check_operands(u, k, skip)
    length = u.shape[-1]
    k = k[:, :length]
    columns = -(-(length + k.shape[-1] - 1) // rows)
    dtype = torch.promote_types(u.dtype, torch.complex64)
    first = dft_matrix(rows, dtype).to(u.device)
    turn = twiddles(rows, columns, dtype).to(u.device)

    def spread(x: Tensor) -> Tensor:
        padded = F.pad(x, (0, rows * columns - x.shape[-1])).to(dtype)
        return first @ padded.unflatten(-1, (rows, columns)) * turn

    k_f = torch.fft.fft(spread(k))
    if skip is not None:
        k_f = k_f + skip[:, None, None]
    within = torch.fft.ifft(torch.fft.fft(spread(u)) * k_f)
    y = (first.conj() / rows) @ (within * turn.conj())
    return y.real.flatten(-2)[..., :length].to(u.dtype)


def _transform(x: Tensor, factors: Sequence[int], matrices: Sequence[Tensor]) -> Tensor:
    """DFTs of the rows of x (..., D, R, N), natural order."""
    first, matrix = factors[0], matrices[0]
    if matrix.ndim == 3:
        matrix = matrix.unsqueeze(-3)  # the same for all R rows of a channel
    if len(factors) == 1:
        return (matrix @ x.unsqueeze(-1)).squeeze(-1)
    columns = x.shape[-1] // first
    mixed = matrix @ x.unflatten(-1, (first, columns))  # (..., D, R, N_1, M), by k_1, n_2
    mixed = mixed * twiddles(first, columns, x.dtype).to(x.device)
    done = _transform(mixed.flatten(-3, -2), factors[1:], matrices[1:])
    done = done.unflatten(-2, (-1, first))  # by k_1, k_2
    return done.transpose(-1, -2).flatten(-2)


def _roots(exponents: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """exp(-2 pi i e / n), computed in float64 whatever the dtype."""
    angle = exponents.double() * (-2 * math.pi / n)
    return torch.polar(torch.ones_like(angle), angle).to(dtype)
