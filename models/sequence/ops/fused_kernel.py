"""The Triton kernel of ops/fused.py, apart because importing it needs Triton."""

from __future__ import annotations

from typing import Any

import triton  # type: ignore[import-not-found]
import triton.language as tl  # type: ignore[import-not-found]


@triton.jit  # type: ignore[untyped-decorator]
def _complex_dot(ar: Any, ai: Any, br: Any, bi: Any) -> Any:
    """(a b) of complex matrices as four real products, summed in float32."""
    real = tl.dot(ar, br, input_precision="ieee") - tl.dot(ai, bi, input_precision="ieee")
    imag = tl.dot(ar, bi, input_precision="ieee") + tl.dot(ai, br, input_precision="ieee")
    return real, imag


@triton.jit  # type: ignore[untyped-decorator]
def monarch_kernel(  # noqa: PLR0917  (Triton takes pointers by position)
    u: Any, y: Any, k_f: Any, dft1: Any, dft2: Any, turn: Any, B: Any, D: Any, L: Any,
    N1: tl.constexpr, N2: tl.constexpr,
) -> None:  # fmt: skip
    """Program (p, d): batch rows 2 p and 2 p + 1 of channel d. Layouts as ops/fused.py has them."""
    pair, channel = tl.program_id(0), tl.program_id(1)
    i, j = tl.arange(0, N1), tl.arange(0, N2)
    place = i[:, None] * N2 + j[None, :]  # (N1, N2)
    square1 = i[:, None] * N1 + i[None, :]
    square2 = j[:, None] * N2 + j[None, :]
    first = (2 * pair * D + channel) * L + place
    second = first + D * L
    there = place < L
    both = there & (2 * pair + 1 + 0 * place < B)  # an odd batch has no last second row
    zr = tl.load(u + first, mask=there, other=0.0).to(tl.float32)
    zi = tl.load(u + second, mask=both, other=0.0).to(tl.float32)
    f1r, f1i = tl.load(dft1 + square1), tl.load(dft1 + N1 * N1 + square1)
    f2r, f2i = tl.load(dft2 + square2), tl.load(dft2 + N2 * N2 + square2)
    tr, ti = tl.load(turn + place), tl.load(turn + N1 * N2 + place)

    sr, si = _complex_dot(f1r, f1i, zr, zi)
    sr, si = sr * tr - si * ti, sr * ti + si * tr
    xr, xi = _complex_dot(sr, si, f2r, f2i)
    spectrum = channel * 2 * N1 * N2 + place
    kr, ki = tl.load(k_f + spectrum), tl.load(k_f + N1 * N2 + spectrum)
    xr, xi = xr * kr - xi * ki, xr * ki + xi * kr
    sr, si = _complex_dot(xr, xi, f2r, -f2i)
    sr, si = sr * tr + si * ti, si * tr - sr * ti
    zr, zi = _complex_dot(f1r, -f1i, sr, si)
    scale = 1.0 / (N1 * N2)
    tl.store(y + first, zr * scale, mask=there)
    tl.store(y + second, zi * scale, mask=both)
