"""Which tensor lies in which tier: the mid-point rule, and shares of whole sequences (sec. 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.flexgen.config import TIERS, Tier

Shares = tuple[float, float, float]  # device, host, disk [%]


def place(sizes: Sequence[int], shares: Shares) -> list[Tier]:
    """Tier of every tensor of a layer, in order.

    The layer's bytes are laid end to end; the first `disk` per cent belong to the disk, the next
    `host` per cent to the host, the rest to the device, and a tensor lies where its middle falls.
    """
    device, host, disk = shares
    del device  # what the two others leave
    total = sum(sizes)
    tiers: list[Tier] = []
    before = 0
    for size in sizes:
        middle = (before + size / 2) * 100 / total
        before += size
        if middle < disk:
            tiers.append("disk")
        elif middle < disk + host:
            tiers.append("host")
        else:
            tiers.append("device")
    return tiers


def sequences(count: int, shares: Shares) -> dict[Tier, int]:
    """How many of `count` sequences lie in each tier: shares rounded down to whole sequences.

    What rounding leaves over goes to the disk, or to the host without a share on disk, or to the
    device with neither.
    """
    counts = dict(zip(TIERS, (int(count * share / 100 + 1e-9) for share in shares), strict=True))
    rest = count - sum(counts.values())
    counts[max((tier for tier, share in zip(TIERS, shares, strict=True) if share), key=_slow)] += (
        rest
    )
    return counts


def _slow(tier: Tier) -> int:
    return TIERS.index(tier)


@dataclass(frozen=True)
class Placed:
    """Asked and achieved share of one thing in one tier."""

    what: str  # weights, cache or activations
    tier: Tier
    asked: float  # [%]
    achieved: float  # [%]
    size: int  # bytes


def compare(what: str, shares: Shares, sizes: Mapping[Tier, int]) -> list[Placed]:
    """A row a tier: whole tensors and whole sequences cannot meet every percentage."""
    total = sum(sizes.values()) or 1
    return [
        Placed(what, tier, asked, 100 * sizes.get(tier, 0) / total, sizes.get(tier, 0))
        for tier, asked in zip(TIERS, shares, strict=True)
    ]
