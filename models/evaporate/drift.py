"""Is a new batch still what the functions were made for? Fill rates and agreement, compared.

A template that changes shows in two ways: functions find nothing where they found something, or
they no longer find the same. Both are shares, so their shift is judged by its standard error, and
raises an alarm when it is neither chance nor small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from models.evaporate.config import DriftConfig


class Shares(NamedTuple):
    """Of one attribute in one batch: documents, those with a value, their mean posterior."""

    documents: int
    filled: int
    agreement: float

    @property
    def fill_rate(self) -> float:
        return self.filled / self.documents if self.documents else 0.0


class Shift(NamedTuple):
    """z: the larger of the two shifts in standard errors; alarm: whether it matters."""

    z: float
    alarm: bool


def shares(posteriors: Sequence[float | None]) -> Shares:
    """Of the posteriors of an attribute's values, None where a document has no value."""
    given = [posterior for posterior in posteriors if posterior is not None]
    return Shares(len(posteriors), len(given), sum(given) / len(given) if given else 0.0)


def shift(expected: Shares, found: Shares, config: DriftConfig) -> Shift:
    """How far a batch is from the first one.

    The difference of two shares p and q of n and m documents, over sqrt(r (1-r) (1/n + 1/m)) with
    r the share in both together. Agreement is treated as such a share of the documents with a
    value; where a batch has none, only its fill rate counts.
    """
    if min(expected.documents, found.documents) < config.documents:
        return Shift(0.0, alarm=False)
    pairs = [(expected.fill_rate, expected.documents, found.fill_rate, found.documents)]
    if expected.filled and found.filled:
        pairs.append((expected.agreement, expected.filled, found.agreement, found.filled))
    shifts = [(abs(p - q), _z(p, n, q, m)) for p, n, q, m in pairs]
    alarm = any(size >= config.shift and z >= config.z for size, z in shifts)
    return Shift(max(z for _, z in shifts), alarm)


def _z(p: float, n: int, q: float, m: int) -> float:
    pooled = (p * n + q * m) / (n + m)
    # A share of exactly 0 or 1 leaves no room for chance, which n documents cannot know.
    variance = max(pooled * (1 - pooled), 1 / (n + m)) * (1 / n + 1 / m)
    return abs(p - q) / math.sqrt(variance)
