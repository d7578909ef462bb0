"""Groups of positions in 4 bits: how a compressed cache keeps all but its first and latest.

Every channel of every head has a step and a minimum of its own over the positions of a group:
outliers of keys keep to few channels. The first position of a sequence is not rounded. All others
attend to it, and its values, like those of the padding before it, are like no others: what stands
in for them in a group is the position after, which stretches no range.
"""

from __future__ import annotations

import torch

from models.flexgen.quantization import Packed, dequantize_columns, quantize_columns


def encode(values: torch.Tensor, group: int, unlike: torch.Tensor) -> torch.Tensor:
    """Whole groups (2, b, kv, n * group, d) to records (n, bytes): codes, steps, minima.

    unlike: (b,) how many of a sequence's first positions here are to be stood in for.
    """
    grouped = _stood_in(values, unlike).unflatten(3, (-1, group)).permute(3, 0, 1, 2, 4, 5)
    packed = quantize_columns(grouped)
    columns = (packed.codes, packed.step, packed.minimum)
    return torch.cat([part.flatten(1).view(torch.uint8) for part in columns], dim=1)


def decode(records: torch.Tensor, group: int, into: torch.Tensor) -> None:
    """Records (n, bytes) to the first n groups of (2, b, kv, S, d), n * group at most S."""
    _, b, kv, _, d = into.shape
    codes = 2 * b * kv * d * group // 2  # bytes
    for number, record in enumerate(records):  # one at a time: what is decoded stays close
        numbers = record[codes:].clone().view(torch.float16).view(2, 2, b, kv, d)
        shape = (2, b, kv, group, d)
        packed = Packed(record[:codes].view(2, b, kv, -1), numbers[0], numbers[1], shape)
        dequantize_columns(packed, into[:, :, :, number * group : (number + 1) * group])


def first_positions(values: torch.Tensor, pads: torch.Tensor) -> torch.Tensor:
    """Of (2, b, kv, S, d), the position after `pads` (b,) of every sequence: (2, b, kv, 1, d)."""
    return values.gather(3, _index(values, pads[:, None]))


def put_first_positions(values: torch.Tensor, pads: torch.Tensor, first: torch.Tensor) -> None:
    """Puts (2, b, kv, 1, d) where `first_positions` finds it."""
    values.scatter_(3, _index(values, pads[:, None]), first)


def round_trip(values: torch.Tensor, group: int, pads: torch.Tensor | None) -> torch.Tensor:
    """Keys or values (b, L, kv, d) as a compressed cache gives them back from full groups."""
    b, L = values.shape[:2]
    full = L // group * group
    start = torch.zeros(b, dtype=torch.long) if pads is None else pads
    exact = values.transpose(1, 2)[None].contiguous()  # (1, b, kv, L, d)
    stood_in = _stood_in(exact[:, :, :, :full], start + 1)
    grouped = stood_in.unflatten(3, (full // group, group))
    back = dequantize_columns(quantize_columns(grouped), torch.empty_like(grouped))
    rounded = torch.cat([back.flatten(3, 4), exact[:, :, :, full:]], dim=3)
    put_first_positions(rounded, start, first_positions(exact, start))
    return rounded[0].transpose(1, 2)


def _stood_in(values: torch.Tensor, unlike: torch.Tensor) -> torch.Tensor:
    """(2, b, kv, S, d) with the first `unlike` (b,) positions each like the one after them."""
    last = values.shape[3] - 1
    if last < 0 or unlike.max() <= 0:
        return values
    at = torch.maximum(torch.arange(last + 1), unlike.clamp_max(last)[:, None])  # (b, S)
    return values.gather(3, _index(values, at))


def _index(values: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Positions (b, P) as an index of (2, b, kv, S, d) along S: (2, b, kv, P, d)."""
    two, b, kv, _, d = values.shape
    return at[None, :, None, :, None].expand(two, b, kv, at.shape[1], d)
