"""Diagonal state spaces: kernel, recurrent step, and FlashConv's state passing over chunks.

With N complex modes a channel, poles a and weights w = c b (D, N),

    x_t = a x_{t-1} + u_t,   y_t = 2 Re sum_n w_n x_{t,n},   k_l = 2 Re sum_n w_n a_n^l.

H3 section 4.2 (algorithm 1). Chunks of T steps need an FFT over 2 T only; what earlier chunks left
behind enters through the state at their end. Exact; O(B D L (log T + N)) and O(B D N) of state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.sequence.ops.fft import check_operands, fft_size


def ssm_kernel_reference(a: Tensor, w: Tensor, length: int) -> Tensor:
    """k_l = 2 Re sum_n w_n a_n^l by the Vandermonde matrix: a, w (D, N) -> (D, L). O(D N L)."""
    powers = a.unsqueeze(-1) ** torch.arange(length, device=a.device)  # (D, N, L)
    return 2 * torch.einsum("dn,dnl->dl", w, powers).real


def ssm_kernel(a: Tensor, w: Tensor, length: int) -> Tensor:
    """The same as one matrix product a channel, from l = T i + j: powers a^j and w a^(T i).

    O(D N L) multiplications still, but O(D N sqrt(L)) powers, which are what takes the time.
    """
    step = 1 << ((length - 1).bit_length() + 1) // 2
    rows = -(-length // step)
    fine, leap = _powers(a, step)  # (D, T, N), (D, N)
    coarse = w.unsqueeze(1) * _powers(leap, rows)[0].to(a.dtype)  # (D, I, N)
    fine = fine.to(a.dtype)
    product = _as_real(coarse) @ _as_real(fine.conj()).transpose(1, 2)  # Re(x y) = x . conj(y)
    return 2 * product.reshape(len(a), -1)[:, :length]


def recurrence_reference(
    u: Tensor, a: Tensor, w: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Outputs (B, D, L) of u (B, D, L), one step after the other, and the last state (B, D, N)."""
    x = u.new_zeros(*u.shape[:2], a.shape[-1], dtype=a.dtype) if state is None else state
    outputs = []
    for t in range(u.shape[-1]):
        y, x = ssm_step(u[..., t], x, a, w)
        outputs.append(y)
    return torch.stack(outputs, -1), x


def ssm_step(u: Tensor, state: Tensor, a: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """One step: u (B, D), state (B, D, N) complex -> output (B, D), next state."""
    state = a * state + u.unsqueeze(-1)
    return 2 * (state * w).sum(-1).real, state


def state_passing(
    u: Tensor, a: Tensor, w: Tensor, chunk: int = 256, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Outputs (B, D, L) of u (B, D, L) and the state (B, D, N) after it, beginning from `state`.

    Raises ValueError for shapes that do not fit.
    """
    check_operands(u, w.real, None)
    B, D, length = u.shape
    chunk = min(chunk, length)
    whole = length // chunk * chunk
    if whole < length:  # the rest is a shorter chunk, so that the state is the one after L steps
        head, state = state_passing(u[..., :whole], a, w, chunk, state)
        tail, state = state_passing(u[..., whole:], a, w, length - whole, state)
        return torch.cat([head, tail], -1), state
    powers, leap = (x.to(a.dtype) for x in _powers(a, chunk))  # (D, T, N), (D, N)
    ahead = _as_real((w * a).unsqueeze(1) * powers)  # M_xy: w a^(i + 1)
    parts = u.view(B, D, -1, chunk).transpose(0, 1).reshape(D, -1, chunk)  # (D, B * C, T)
    left = parts @ _as_real(powers.flip(1))  # M_ux u: what a chunk adds to the state
    added = _as_complex(left).view(D, B, -1, a.shape[-1])  # (D, B, C, N)
    x = torch.zeros_like(added[:, :, 0]) if state is None else state.transpose(0, 1)
    before = []
    for c in range(added.shape[2]):
        before.append(x)
        x = torch.addcmul(added[:, :, c], leap.unsqueeze(1), x)
    states = torch.stack(before, 2).reshape(D, -1, a.shape[-1])  # (D, B * C, N)
    taps = _as_real(w).unsqueeze(1) @ _as_real(powers.conj()).transpose(1, 2)
    size = fft_size(2 * chunk - 1)
    k_f = torch.fft.rfft(2 * taps, n=size)  # (D, 1, F)
    within = torch.fft.irfft(torch.fft.rfft(parts, n=size) * k_f, n=size)[..., :chunk]
    y = torch.baddbmm(within, _as_real(states.conj()), ahead.transpose(1, 2), alpha=2)
    return y.view(D, B, length).transpose(0, 1), x.transpose(0, 1)


def last_state(u: Tensor, a: Tensor, chunk: int = 64) -> Tensor:
    """The state (B, D, N) after u (B, D, L) alone: sum_t a^(L - 1 - t) u_t, chunk by chunk.

    What a prompt leaves behind when its outputs come from one FFT; O(B D L N).
    """
    length = u.shape[-1]
    chunk = min(chunk, length)
    powers, leap = (x.to(a.dtype) for x in _powers(a, chunk))  # (D, T, N), (D, N)
    left = _as_real(powers.flip(1))  # M_ux, (D, T, 2 N)
    u = u.transpose(0, 1)
    first = length % chunk or chunk  # the others are whole
    x = _as_complex(u[..., :first] @ left[:, -first:])  # (D, B, N)
    for start in range(first, length, chunk):
        added = _as_complex(u[..., start : start + chunk] @ left)
        x = torch.addcmul(added, leap.unsqueeze(1), x)
    return x.transpose(0, 1)


def _powers(a: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """a^0 .. a^(count - 1) of poles a (D, N): (D, count, N), and a^count (D, N), complex128.

    By doubling: no logarithms, and a pole of 0 is one like any other. The angle of a^l is l times
    that of a, which single precision would no longer know after some hundred steps.
    """
    leap = a.to(torch.complex128)
    powers = torch.ones_like(leap).unsqueeze(1)
    while powers.shape[1] < count:
        powers = torch.cat([powers, powers * leap.unsqueeze(1)], 1)
        leap = leap * leap
    powers = powers[:, :count]
    return powers, powers[:, -1] * a


def _as_real(x: Tensor) -> Tensor:
    """(..., N) complex -> (..., 2 N) real: all real parts, then all imaginary ones."""
    return torch.cat([x.real, x.imag], -1)


def _as_complex(x: Tensor) -> Tensor:
    return torch.complex(*x.chunk(2, -1))
