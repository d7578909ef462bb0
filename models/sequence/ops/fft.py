"""Causal long convolution with skip: the definition, and the fast path by FFT.

    y[b, d, t] = sum_{s <= t} k[d, s] u[b, d, t - s] + skip[d] u[b, d, t]

Exact; O(B D L log L). Hyena section 3, FlashConv section 4. A kernel longer than the input is cut:
its further taps meet nothing. Half precision is computed in float32 and given back as it came.
NaN and infinity spread over their own row and channel, unlike in the definition, where they reach
later outputs only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Values of one transform that stay in a core's cache: long rows go by in blocks of channels.
_BLOCK = 2**20
_HALVES = (torch.float16, torch.bfloat16)


class Spectrum(NamedTuple):
    """A kernel's transform, made once for many inputs; its skip is folded into tap 0."""

    k_f: Tensor  # (D, size // 2 + 1) complex
    size: int
    longest: int  # inputs it is right for [steps]


def causal_conv_reference(u: Tensor, k: Tensor, skip: Tensor | None = None) -> Tensor:
    """The definition, one lag after the other: u (B, D, L), k (D, K), skip (D,). O(B D L K)."""
    y = torch.zeros_like(u) if skip is None else skip.unsqueeze(-1) * u
    length = u.shape[-1]
    for s in range(min(k.shape[-1], length)):
        late = k[:, s : s + 1] * u[..., : length - s]
        y = y + torch.nn.functional.pad(late, (s, 0))
    return y


def fft_size(least: int) -> int:
    """The smallest 2^a 3^b 5^c that is at least `least`, but a power of two where one is near."""
    power = 1 << max(least - 1, 0).bit_length()
    best = power
    for five in (1, 5, 25):
        for three in (1, 3, 9):
            odd = five * three
            size = odd << max(-(-least // odd) - 1, 0).bit_length()
            # An FFT of a power of two is the fastest for its size by some percent.
            if size * 1.1 < best:
                best = size
    return best


def spectrum(k: Tensor, length: int, skip: Tensor | None = None) -> Spectrum:
    """Transform of kernels k (D, K), for inputs of up to `length` steps; skip (D,)."""
    if length < 1:
        raise ValueError(f"a spectrum is for inputs of at least one step, not {length}")
    k = _computed(k)[:, :length]
    size = fft_size(length + k.shape[-1] - 1)
    k_f = torch.fft.rfft(k, n=size)
    if skip is not None:
        k_f = k_f + skip.unsqueeze(-1)
    return Spectrum(k_f, size, length)


def fft_conv(u: Tensor, k: Tensor | Spectrum, skip: Tensor | None = None) -> Tensor:
    """The causal convolution of u (B, D, L) with k (D, K) or its spectrum; skip (D,).

    Of a graph only u, k and skip are kept: spectra are made again for the gradient, which saves
    most of what plain autograd would hold. A spectrum has no gradient and its skip inside.
    Raises ValueError for shapes that do not fit and inputs longer than the spectrum is for.
    """
    if isinstance(k, Spectrum):
        k_f, size, longest = k
        if u.shape[-1] > longest or u.shape[-2] != k_f.shape[0] or skip is not None:
            raise ValueError(
                f"fft_conv: a spectrum of {len(k_f)} channels for up to {longest} steps, its "
                f"skip inside, meets an input (B, D, L) of {tuple(u.shape)}"
            )
        return _convolved(u, k_f, size)
    check_operands(u, k, skip)
    return _FFTConv.apply(u, k, skip)  # type: ignore[no-untyped-call]


def check_operands(u: Tensor, k: Tensor, skip: Tensor | None) -> None:
    """Raises ValueError for anything but u (B, D, L), k (D, K), skip (D,), L and K at least 1."""
    fits = u.ndim == 3 and k.ndim == 2 and k.shape[0] == u.shape[1] and u.is_floating_point()
    if not fits or (skip is not None and skip.shape != k.shape[:1]):
        found = f"{tuple(u.shape)}, {tuple(k.shape)}"
        raise ValueError(f"a causal convolution takes u (B, D, L), k (D, K), skip (D,): {found}")
    if u.shape[-1] < 1 or k.shape[-1] < 1:
        raise ValueError("a causal convolution needs at least one step and one tap")


class _FFTConv(torch.autograd.Function):
    """Keeps u, k and skip alone: dL/du correlates with k, dL/dk sums correlations with u."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, k: Tensor, skip: Tensor | None) -> Tensor:
        ctx.save_for_backward(u, k, skip)
        made = spectrum(k.detach(), u.shape[-1], skip)
        return _convolved(u, made.k_f, made.size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        u, k, skip = ctx.saved_tensors
        length, taps = u.shape[-1], min(k.shape[-1], u.shape[-1])
        k32 = _computed(k)[:, :taps]
        size = fft_size(length + taps - 1)
        wants_u, wants_k, wants_skip = ctx.needs_input_grad
        du = torch.empty(u.shape, dtype=u.dtype, device=u.device) if wants_u else None
        # Taps beyond the input meet nothing.
        dk = torch.zeros(k.shape, dtype=k32.dtype, device=k.device) if wants_k else None
        for part in _blocks(u, size):
            dy_f = torch.fft.rfft(_computed(dy[:, part]), n=size)
            if dk is not None:
                u_f = torch.fft.rfft(_computed(u[:, part]), n=size)
                crossed = torch.linalg.vecdot(u_f, dy_f, dim=0)  # sum over the batch
                dk[part, :taps] = torch.fft.irfft(crossed, n=size)[..., :taps]
            if du is not None:
                k_f = torch.fft.rfft(k32[part], n=size).conj()
                if skip is not None:
                    k_f = k_f + skip[part].unsqueeze(-1)
                du[:, part] = torch.fft.irfft(dy_f.mul_(k_f), n=size)[..., :length]
        dskip = None
        if wants_skip and skip is not None:
            dskip = torch.linalg.vecdot(dy, u).sum(0).to(skip.dtype)
        return du, None if dk is None else dk.to(k.dtype), dskip


def _convolved(u: Tensor, k_f: Tensor, size: int) -> Tensor:
    """Rows times a spectrum that is long enough, in blocks of channels; dtype as u's."""
    length = u.shape[-1]
    if u.is_cuda or u.shape[0] * u.shape[1] * size <= _BLOCK:
        u_f = torch.fft.rfft(_computed(u), n=size)
        y = torch.fft.irfft(_multiplied(u_f, k_f), n=size)[..., :length]
        return y if y.dtype == u.dtype else y.to(u.dtype)
    y = torch.empty(u.shape, dtype=u.dtype, device=u.device)
    for part in _blocks(u, size):
        u_f = torch.fft.rfft(_computed(u[:, part]), n=size)
        y[:, part] = torch.fft.irfft(_multiplied(u_f, k_f[part]), n=size)[..., :length]
    return y


def _multiplied(u_f: Tensor, k_f: Tensor) -> Tensor:
    # In place unless autograd watches, as when a caller differentiates with respect to u.
    return u_f * k_f if torch.is_grad_enabled() and u_f.requires_grad else u_f.mul_(k_f)


def _blocks(u: Tensor, size: int) -> list[slice]:
    """Stretches of channels; one for CUDA, whose caches are not a core's."""
    channels = u.shape[1]
    step = channels if u.is_cuda else max(_BLOCK // (max(len(u), 1) * size), 1)
    return [slice(i, i + step) for i in range(0, channels, step)]


def _computed(x: Tensor) -> Tensor:
    return x.float() if x.dtype in _HALVES else x
