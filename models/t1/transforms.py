"""The orthonormal discrete cosine transform (DCT-II) along the grid axes of a batch of fields.

    X_k = s_k sum_n x_n cos(pi k (2n + 1) / (2N)),   s_0 = sqrt(1/N),  s_k = sqrt(2/N)

A field of N points stands at the cell centres (2n + 1) / (2N) of the unit interval, so that the
same function on another grid has the same coefficients times the square root of the size ratio.
Transforms take and give (B, C, *grid), with one or two grid axes. Being orthonormal they keep the
sum of squares (Parseval), and the inverse is the transpose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Up to this length a product with the kept rows of the matrix beats an FFT, and is simpler.
MATRIX_UP_TO = 512


def dct_matrix(n: int) -> Tensor:
    """The orthonormal DCT-II as a matrix C (N, N) in float64: X = C x, C C^T = I."""
    if n < 1:
        raise ValueError(f"a transform needs at least one point, got {n}")
    k, point = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    matrix = math.sqrt(2.0 / n) * torch.cos(math.pi * k * (2 * point + 1) / (2 * n))
    matrix[0] /= math.sqrt(2.0)
    return matrix


def dct_by_fft(x: Tensor) -> Tensor:
    """DCT-II along the last axis (..., N) at O(N log N) by one FFT of length N (Makhoul 1980)."""
    n = x.shape[-1]
    order = torch.cat([torch.arange(0, n, 2), torch.arange(1, n, 2).flip(0)]).to(x.device)
    spectrum = torch.fft.fft(x[..., order]) * _twiddle(n, x)
    scaled = spectrum.real * math.sqrt(2.0 / n)
    return torch.cat([scaled[..., :1] / math.sqrt(2.0), scaled[..., 1:]], -1)


def idct_by_fft(coefficients: Tensor) -> Tensor:
    """The inverse of `dct_by_fft`, along the last axis."""
    n = coefficients.shape[-1]
    scaled = coefficients * math.sqrt(n / 2.0)
    scaled = torch.cat([scaled[..., :1] * math.sqrt(2.0), scaled[..., 1:]], -1)
    mirrored = torch.cat([torch.zeros_like(scaled[..., :1]), scaled[..., 1:].flip(-1)], -1)
    ordered = torch.fft.ifft(torch.complex(scaled, -mirrored) * _twiddle(n, scaled).conj()).real
    x = torch.empty_like(ordered)
    x[..., 0::2] = ordered[..., : (n + 1) // 2]
    x[..., 1::2] = ordered[..., (n + 1) // 2 :].flip(-1)
    return x


class Transform(nn.Module):
    """The DCT of a grid, of which only chosen coefficients are kept.

    kept: for each grid axis the numbers of the coefficients kept, in rising order; what is kept
    is their product. Forward gives (B, C, *kept), inverse the field made of those alone.
    """

    def __init__(self, shape: Sequence[int], kept: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.kept_shape = tuple(len(one) for one in kept)
        for axis, (n, numbers) in enumerate(zip(shape, kept, strict=True)):
            if not numbers or max(numbers) >= n or min(numbers) < 0:
                raise ValueError(
                    f"grid axis {axis} has {n} points and so coefficients 0 to {n - 1}: "
                    f"modes up to {max(numbers, default=-1) + 1} do not fit"
                )
            self.register_buffer(f"kept_{axis}", torch.tensor(numbers), persistent=False)
            rows = dct_matrix(n)[list(numbers)] if n <= MATRIX_UP_TO else None
            self.register_buffer(
                f"rows_{axis}", None if rows is None else rows.float(), persistent=False
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *shape) -> (B, C, *kept)."""
        if x.shape[2:] != self.shape:
            raise ValueError(
                f"{_said(self.shape)} grid expected, the field has {_said(x.shape[2:])}"
            )
        # The last axis first: it is contiguous, and what it leaves out is never touched again.
        for axis in reversed(range(len(self.shape))):
            rows = getattr(self, f"rows_{axis}")
            along = x.movedim(2 + axis, -1)
            if rows is None:
                along = dct_by_fft(along)[..., getattr(self, f"kept_{axis}")]
            else:
                along = along @ rows.to(x.dtype).T
            x = along.movedim(-1, 2 + axis)
        return x

    def inverse(self, coefficients: Tensor) -> Tensor:
        """(B, C, *kept) -> (B, C, *shape), coefficients that were not kept being zero."""
        x = coefficients
        for axis, n in enumerate(self.shape):
            rows = getattr(self, f"rows_{axis}")
            along = x.movedim(2 + axis, -1)
            if rows is None:
                whole = along.new_zeros(*along.shape[:-1], n)
                whole[..., getattr(self, f"kept_{axis}")] = along
                along = idct_by_fft(whole)
            else:
                along = along @ rows.to(x.dtype)
            x = along.movedim(-1, 2 + axis)
        return x.contiguous()


def _twiddle(n: int, like: Tensor) -> Tensor:
    k = torch.arange(n, dtype=torch.float64, device=like.device)
    turned = torch.polar(torch.ones_like(k), -math.pi * k / (2 * n))
    return turned.to(torch.complex128 if like.dtype == torch.float64 else torch.complex64)


def _said(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
