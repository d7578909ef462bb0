"""Convolution kernels of companion-matrix state spaces (SpaceTime, sections 3.1 and 3.3).

A companion state space has the state matrix A = S + a e_d^T: S moves every state down by one and
the last column a feeds the last state back. Vectors a, b, c of shape (..., d) batch over any
leading axes. The convention throughout is the paper code's: the output of step k reads the state
after it has taken the input, y_k = c x_{k+1}, so the kernel is k_i = c A^i b, i = 0 .. L-1.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Values of a transform, and of its spectrum, that stay in a core's cache.
_BLOCK = 2**17


def companion_matrix(a: Tensor) -> Tensor:
    """A = S + a e_d^T for last columns a (..., d); returns (..., d, d). Section 3.1, equation 3."""
    d = a.shape[-1]
    shift = torch.diag(torch.ones(d - 1, dtype=a.dtype, device=a.device), diagonal=-1)
    feedback = F.pad(a.unsqueeze(-1), (d - 1, 0))  # a in the last column, zeros elsewhere
    return shift + feedback


def bound_l1(v: Tensor) -> Tensor:
    """Scale v (..., d) so that its L1 norm is at most 1; shorter vectors stay as they are.

    For the last column a, ||a||_1 <= 1 keeps every root of z^d = sum_i a_i z^i inside the closed
    unit disc, so A^i never grows (section 3.1, stability).
    """
    return v / v.abs().sum(-1, keepdim=True).clamp(min=1.0)


def companion_kernel_reference(a: Tensor, b: Tensor, c: Tensor, length: int) -> Tensor:
    """k_i = c A^i b by the literal recursion x <- A x; (..., d) -> (..., length). O(L d^2)."""
    matrix = companion_matrix(a)
    x = b
    kernel = []
    for _ in range(length):
        kernel.append((c * x).sum(-1))
        x = (matrix @ x.unsqueeze(-1)).squeeze(-1)
    return torch.stack(kernel, dim=-1)


def companion_kernel(a: Tensor, b: Tensor, c: Tensor, length: int) -> Tensor:
    """k_i = c A^i b for i < length from its generating function; (..., d) -> (..., length). Exact.

    With R = (I - x S)^-1 and P_uv(x) = u^T R v, the rank-one update of A turns into

        sum_i k_i x^i = P_cb(x) + x P_ca(x) P_eb(x) / (1 - x P_ea(x)),   e = e_d,

    where every P is a correlation of two vectors: O((d + L) log(d + L)), differentiable, and sound
    with roots on the unit circle, where the paper's evaluation divides by zero (section 3.3).
    Leading axes broadcast: several c may share one a, b and one inversion.
    """
    p_cb = _resize(correlate(c, b), length)
    p_ca = _resize(correlate(c, a), length)
    p_eb = _resize(b.flip(-1), length)
    p_ea = _resize(a.flip(-1), length)
    feedback = reciprocal_series(F.pad(-p_ea, (1, 0), value=1.0)[..., :length])
    loop = causal_conv(causal_conv(p_ca, p_eb), feedback)
    return p_cb + F.pad(loop, (1, 0))[..., :length]


def reciprocal_series(p: Tensor) -> Tensor:
    """Power series g with p g = 1 mod x^L for p (..., L) and p_0 = 1, by Newton's iteration.

    Each round g <- g (2 - p g) doubles the number of correct coefficients. The rounds run outside
    autograd; one more at full length leaves g in place, rounds off its error and carries the exact
    gradient, since its derivative at the fixed point is dg = -g^2 dp.
    """
    length = p.shape[-1]
    with torch.no_grad():
        g = torch.ones_like(p[..., :1])
        while g.shape[-1] < length:
            g = _newton_round(p, g, min(2 * g.shape[-1], length))
    return _newton_round(p, g, length)


def causal_conv(u: Tensor, k: Tensor) -> Tensor:
    """y_t = sum_{i <= t} k_i u_{t-i} for u (..., L) and k (..., l); returns (..., L). Exact.

    By FFT, long enough that nothing wraps around: O((L + l) log(L + l)) a row. Leading axes
    broadcast, so one kernel may serve a whole batch.
    """
    y: Tensor = _CausalConv.apply(u, k)  # type: ignore[no-untyped-call]
    return y


class _CausalConv(torch.autograd.Function):
    """The gradients of a convolution are correlations with the spectra of the forward pass.

    Autograd would take complex transforms of twice the work, and one inverse transform a batch
    row for the kernel's gradient, where the sum over the batch needs one in all. A batch goes by
    in blocks whose spectra stay in a core's cache: their products are bound by memory.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, k: Tensor) -> Tensor:
        n_fft = fast_length(u.shape[-1] + k.shape[-1] - 1)
        k_f = torch.fft.rfft(k, n=n_fft)
        y = u.new_empty(*torch.broadcast_shapes(u.shape[:-1], k.shape[:-1]), u.shape[-1])
        blocks = _blocks(y, u, k, n_fft)
        spectra = []
        for rows in blocks:
            u_f = torch.fft.rfft(u[rows], n=n_fft)
            y[rows] = torch.fft.irfft(u_f * k_f, n=n_fft)[..., : u.shape[-1]]
            spectra.append(u_f)
        ctx.save_for_backward(k_f, *spectra)
        ctx.sizes = u.shape, k.shape[-1], n_fft, blocks
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        k_f, *spectra = ctx.saved_tensors
        u_shape, k_length, n_fft, blocks = ctx.sizes
        u_grad = y_grad.new_empty(u_shape) if ctx.needs_input_grad[0] else None
        k_grad = torch.zeros_like(k_f) if ctx.needs_input_grad[1] else None
        k_f = k_f.conj_physical()
        for rows, u_f in zip(blocks, spectra, strict=True):
            y_f = torch.fft.rfft(y_grad[rows], n=n_fft)
            if u_grad is not None:
                spectrum = (y_f * k_f).sum_to_size(u_f.shape)
                u_grad[rows] = torch.fft.irfft(spectrum, n=n_fft)[..., : u_shape[-1]]
            if k_grad is not None:
                k_grad += (y_f * u_f.conj_physical()).sum_to_size(k_f.shape)
        if k_grad is None:
            return u_grad, None
        return u_grad, torch.fft.irfft(k_grad, n=n_fft)[..., :k_length]


def _blocks(y: Tensor, u: Tensor, k: Tensor, n_fft: int) -> list[Any]:
    """Parts of the first axis of y whose spectra fit a core's cache, where u has it and k not."""
    batched = u.dim() == y.dim() > k.dim() and len(u) == len(y)
    if not batched or u.device.type != "cpu":
        return [...]
    size = max(_BLOCK // (n_fft * math.prod(y.shape[1:-1])), 1)
    return [slice(start, start + size) for start in range(0, len(y), size)]


def correlate(u: Tensor, v: Tensor) -> Tensor:
    """r_m = sum_k u_{k+m} v_k for 0 <= m < d, vectors (..., d): the series u^T (I - x S)^-1 v."""
    d = u.shape[-1]
    n_fft = fast_length(2 * d)
    spectrum = torch.fft.rfft(u, n=n_fft) * torch.fft.rfft(v, n=n_fft).conj()
    return torch.fft.irfft(spectrum, n=n_fft)[..., :d]


def hankel(v: Tensor, columns: int) -> Tensor:
    """H_ij = v_{i+j}, windows of v (..., n) as a view: (..., n - columns + 1, columns)."""
    matrix: Tensor = _Hankel.apply(v, columns)  # type: ignore[no-untyped-call]
    return matrix


class _Hankel(torch.autograd.Function):
    """The gradient sums antidiagonals: rows padded by their number line those up in columns."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, columns: int) -> Tensor:
        return v.unfold(-1, columns, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        if grad.shape[-2] > grad.shape[-1]:  # the fewer rows, the less to pad
            grad = grad.mT
        rows, columns = grad.shape[-2:]
        width = rows + columns - 1
        skewed = F.pad(grad, (0, rows)).flatten(-2)[..., : rows * width]
        return skewed.unflatten(-1, (rows, width)).sum(-2), None


def fast_length(minimum: int) -> int:
    """Smallest size >= minimum, of few small factors, that FFT libraries handle quickly."""
    power = 1 << max(minimum - 1, 1).bit_length()
    shares = (20, 21, 24, 25, 27, 28, 32) if power >= 64 else (20, 24, 32)  # of 32
    return next(n for n in (power * share // 32 for share in shares) if n >= minimum)


def _newton_round(p: Tensor, g: Tensor, length: int) -> Tensor:
    g = _resize(g, length)
    two = F.pad(torch.full_like(g[..., :1], 2.0), (0, length - 1))
    return causal_conv(g, two - causal_conv(g, p[..., :length]))


def _resize(v: Tensor, length: int) -> Tensor:
    """The first `length` entries of v (..., n), padded with zeros where n is smaller."""
    return F.pad(v, (0, max(length - v.shape[-1], 0)))[..., :length]
