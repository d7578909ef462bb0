"""How much of a block's cache moves: bytes as kept, values in 4 bits, bytes as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.flexgen.config import ModelShape, Policy


@dataclass(frozen=True)
class Batch:
    """Sequences computed together, padded to one length."""

    count: int
    prompt: int  # tokens, padding included


@dataclass(frozen=True)
class Moved:
    """What one step carries to or from the cache of all layers."""

    kept: float = 0.0  # bytes where it lives
    plain: float = 0.0  # bytes of those that are kept as they are computed with
    rounded: float = 0.0  # values kept in 4 bits

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.kept + other.kept, self.plain + other.plain, self.rounded + other.rounded)


def loaded(shape: ModelShape, policy: Policy, batches: Sequence[Batch], tokens: int) -> Moved:
    """The past that a later token of `tokens` needs, on average."""
    return _total(
        _moved(
            shape, policy, batch.count * times * shape.layers / (tokens - 1),
            ((0, past) for past in range(batch.prompt, batch.prompt + tokens - 1)),
        )
        for batch, times in Counter(batches).items()
    )  # fmt: skip


def stored(shape: ModelShape, policy: Policy, batches: Sequence[Batch], tokens: int) -> Moved:
    """The new positions of a later token, on average; `tokens` 1: those of the prompts.

    The last token's keys and values are never stored.
    """
    found = []
    for batch, times in Counter(batches).items():
        new = range(batch.prompt, batch.prompt + tokens - 2)
        steps = [(p, p + 1) for p in new] if tokens > 1 else [(0, batch.prompt)]
        sequences = batch.count * times * shape.layers / max(1, tokens - 1)
        found.append(_moved(shape, policy, sequences, steps))
    return _total(found)


def room(shape: ModelShape, policy: Policy, batches: Sequence[Batch], tokens: int) -> float:
    """Bytes booked for the cache of all layers; a prefill alone keeps none."""
    if tokens == 1:
        return 0.0
    return shape.layers * sum(
        batch.count * times * shape.room_bytes(policy, batch.prompt + tokens - 1)
        for batch, times in Counter(batches).items()
    )


def _moved(
    shape: ModelShape, policy: Policy, sequences: float, steps: Iterable[tuple[int, int]]
) -> Moved:
    """Positions [start, stop) of so many sequences, summed over steps."""
    kept = groups = 0
    for start, stop in steps:
        kept += shape.stored_bytes(policy, start, stop)
        groups += stop // policy.group - start // policy.group if policy.compress_cache else 0
    values = groups * policy.group * 2 * shape.kv_width
    plain = kept - groups * shape.group_bytes(policy)
    return Moved(sequences * kept, sequences * plain, sequences * values)


def _total(parts: Iterable[Moved]) -> Moved:
    return sum(parts, Moved())
