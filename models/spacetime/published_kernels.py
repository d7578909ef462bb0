"""The two kernel algorithms of the paper and its code, beside the default one of kernels.py.

Both are exact where they apply. They are here to be compared with: `kernel_by_squaring` costs
O(d^3 log L), and `kernel_by_woodbury` cannot do roots on the unit circle.
"""

import torch
from torch import Tensor

from models.spacetime.kernels import companion_matrix

# Below this the division of the Woodbury identity loses more than half of the digits.
_SMALLEST_DENOMINATOR = 1e-3


class SingularKernelError(ValueError):
    """A root of the state matrix lies on the L-point unit circle: Woodbury's form divides by 0."""


def kernel_by_squaring(a: Tensor, b: Tensor, c: Tensor, length: int) -> Tensor:
    """k_i = c A^i b by doubling: vectors (..., d) -> (..., length). O(d^3 log L + d^2 L).

    [b, A b, .., A^{n-1} b] times A^n are the next n columns; A^n comes from repeated squaring.
    What the released layers run (their `krylov`).
    """
    power = companion_matrix(a)
    columns = b.unsqueeze(-1)  # (..., d, n)
    while columns.shape[-1] < length:
        columns = torch.cat((columns, power @ columns), dim=-1)
        power = power @ power
    return (c.unsqueeze(-2) @ columns[..., :length]).squeeze(-2)


def kernel_by_woodbury(a: Tensor, b: Tensor, c: Tensor, length: int) -> Tensor:
    """k_i = c A^i b from its spectrum at z_k = exp(2 pi i k / L). Section 3.3, algorithm 1.

    With R = (I - S / z)^-1 and the truncated output vector c~ = c (I - A^L),

        k^(z) = c~ R b + (c~ R a)(e_d R b) / (z - e_d R a),

    where every u R v is the L-point transform of a correlation, folded when d > L. Raises
    SingularKernelError when a denominator is near 0: an eigenvalue of A, as that of a random walk
    or of any differencing, lies on the circle, and c~ k^ is 0 / 0 there.
    """
    power = torch.linalg.matrix_power(companion_matrix(a), length)
    truncated = c - (c.unsqueeze(-2) @ power).squeeze(-2)
    return kernel_of_truncated(a, b, truncated, length)


def kernel_of_truncated(a: Tensor, b: Tensor, truncated: Tensor, length: int) -> Tensor:
    """`kernel_by_woodbury` given c~ itself, as the paper trains it: O((d + L) log(d + L))."""
    angles = torch.arange(length // 2 + 1, dtype=a.dtype, device=a.device)
    z = torch.exp(2j * torch.pi * angles / length)
    last = torch.zeros_like(a)
    last[..., -1] = 1.0
    denominator = z - _resolvent(last, a, length)
    smallest = float(denominator.detach().abs().min())
    if not smallest > _SMALLEST_DENOMINATOR:
        raise SingularKernelError(
            f"the Woodbury form divides by {smallest:.1e}: the state matrix has an eigenvalue on "
            f"the {length}-point unit circle, as random walks and differences do; use "
            "companion_kernel, which is exact there"
        )
    spectrum = (
        _resolvent(truncated, b, length)
        + _resolvent(truncated, a, length) * _resolvent(last, b, length) / denominator
    )
    kernel: Tensor = torch.fft.irfft(spectrum, n=length)
    return kernel


def _resolvent(u: Tensor, v: Tensor, length: int) -> Tensor:
    """u (I - S / z)^-1 v at the points z_0 .. z_{L/2}: (..., d) -> (..., L // 2 + 1)."""
    d = u.shape[-1]
    n_fft = 2 * d
    product = torch.fft.rfft(u, n=n_fft) * torch.fft.rfft(v, n=n_fft).conj()
    correlation = torch.fft.irfft(product, n=n_fft)[..., :d]  # r_m = sum_k u_{k+m} v_k
    laps = -(-d // length)
    padded = torch.nn.functional.pad(correlation, (0, laps * length - d))
    folded = padded.unflatten(-1, (laps, length)).sum(-2)  # z^-m has period L
    spectrum: Tensor = torch.fft.rfft(folded)
    return spectrum
