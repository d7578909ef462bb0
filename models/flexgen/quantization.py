"""Group-wise 4-bit quantization (sec. 5): q = round((x - min) / step), step = (max - min) / 15.

A group is 64 consecutive values of the flattened tensor's last axis, or of a column. It is stored
as 32 bytes of two values each, the first in the high half, and two fp16 numbers: 36 bytes, 4.5 bits
a value. Kept is the step, not the paper's scale 1 / step, which overflows fp16 for groups of nearly
equal values; a group of equal values has step 0 and comes back as its minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

LEVELS = 15  # 2**4 - 1
FP16_MAX = 65504.0
_CHUNK = 8192  # groups decoded at once: the intermediates stay in the processor's cache
_SPREAD = 4097  # (p * 4097 >> 4) & 0x0F0F puts the halves of byte p into two bytes, high half first


@dataclass(frozen=True)
class Packed:
    """A tensor in 4 bits."""

    codes: torch.Tensor  # uint8, two values each; (G, group / 2) from `quantize`
    step: torch.Tensor  # float16, one a group
    minimum: torch.Tensor  # likewise
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.codes.nbytes + self.step.nbytes + self.minimum.nbytes


def quantize(x: torch.Tensor, group: int = 64) -> Packed:
    """`x` (any shape, any float type) in 4 bits, grouped along its last axis when that divides.

    The last group of the flattened tensor is filled up with its last value.

    The error of a value is at most step / 2 plus the fp16 rounding of step and minimum: the codes
    are taken against the rounded numbers. Values beyond fp16's range are clamped to it.
    """
    flat = x.detach().reshape(-1)
    pad = -flat.numel() % group
    rows = flat.float()
    if pad:
        rows = torch.cat([rows, rows[-1:].expand(pad)])  # moves neither minimum nor maximum
    rows = rows.reshape(-1, group).clamp(-FP16_MAX, FP16_MAX)  # (G, group)
    low, high = rows.aminmax(dim=1)
    return encode(rows, low, high, tuple(x.shape))


def encode(
    rows: torch.Tensor, low: torch.Tensor, high: torch.Tensor, shape: tuple[int, ...]
) -> Packed:
    """Codes of `rows` (G, group) float32 between `low` and `high` (G,); outside is clamped."""
    codes, step, minimum = _codes(rows, low, high, dim=1)
    packed = (codes[:, 0::2] << 4) | codes[:, 1::2]
    return Packed(packed.contiguous(), step, minimum, shape)


def _codes(
    x: torch.Tensor, low: torch.Tensor, high: torch.Tensor, dim: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes of float32 `x` as uint8, step and minimum as fp16; low and high lack axis `dim`."""
    minimum = low.half()
    step = ((high - minimum.float()) / LEVELS).clamp_min(0).half()
    divisor = step.float().masked_fill(step == 0, 1.0).unsqueeze(dim)
    codes = x.sub(minimum.float().unsqueeze(dim)).div_(divisor).round_().clamp_(0, LEVELS)
    codes.masked_fill_((step == 0).unsqueeze(dim), 0)
    return codes.to(torch.uint8), step, minimum


def dequantize(packed: Packed, out: torch.Tensor | None = None) -> torch.Tensor:
    """The values, q * step + min, written into `out` (contiguous, of the packed shape) if given."""
    if out is None:
        out = torch.empty(packed.shape, dtype=torch.float32)
    groups, half = packed.codes.shape
    group = 2 * half
    flat = out.view(-1)
    whole = flat.numel() // group
    rows = flat[: whole * group].view(whole, group)
    step = packed.step.to(out.dtype)[:, None]
    minimum = packed.minimum.to(out.dtype)[:, None]
    for start in range(0, whole, _CHUNK):
        part = slice(start, min(start + _CHUNK, whole))
        rows[part].copy_(_unpack(packed.codes[part])).mul_(step[part]).add_(minimum[part])
    if whole < groups:  # the last group is filled up
        rest = _unpack(packed.codes[whole:]).to(out.dtype) * step[whole:] + minimum[whole:]
        flat[whole * group :] = rest.view(-1)[: flat.numel() - whole * group]
    return out


def dequantize_reference(packed: Packed) -> torch.Tensor:
    """The equation written literally: value 2m is the high half of byte m, 2m + 1 the low one."""
    high, low = packed.codes >> 4, packed.codes & LEVELS
    codes = torch.stack([high, low], dim=-1).flatten(1).float()
    values = codes * packed.step.float()[:, None] + packed.minimum.float()[:, None]
    count = torch.Size(packed.shape).numel()
    return values.view(-1)[:count].view(packed.shape)


def _unpack(codes: torch.Tensor) -> torch.Tensor:
    """One value a byte: (G, group / 2) to (G, group), both uint8."""
    spread = codes.to(torch.int16).mul_(_SPREAD).bitwise_right_shift_(4).bitwise_and_(0x0F0F)
    return spread.view(torch.uint8)


def quantize_columns(x: torch.Tensor) -> Packed:
    """`x` (..., P, C), P even, in 4 bits; the P values of a column are a group.

    Codes of a row's neighbours share bytes: (..., P * C / 2); step and minimum are (..., C).
    """
    wide = x.float().clamp(-FP16_MAX, FP16_MAX)
    low, high = wide.aminmax(dim=-2)
    codes, step, minimum = _codes(wide, low, high, dim=-2)
    flat = codes.flatten(-2)  # (..., P * C)
    halves = (flat[..., 0::2] << 4) | flat[..., 1::2]
    return Packed(halves.contiguous(), step, minimum, tuple(x.shape))


def dequantize_columns(packed: Packed, out: torch.Tensor) -> torch.Tensor:
    """What `quantize_columns` rounded, written into `out` (any strides, of the packed shape)."""
    step = packed.step.to(out.dtype)[..., None, :]
    minimum = packed.minimum.to(out.dtype)[..., None, :]
    return out.copy_(_unpack(packed.codes).view(packed.shape)).mul_(step).add_(minimum)
