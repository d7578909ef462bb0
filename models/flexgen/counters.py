"""What a run moved, held and took, and what the paper's formulas say that it must move."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from models.flexgen.config import BYTES, ModelShape, Policy, Tier, What
from models.flexgen.placement import sequences


class Route(NamedTuple):
    """One way that bytes go."""

    source: Tier
    target: Tier
    what: What


class Traffic:
    """Counts the bytes moved on every route; safe to share between threads."""

    def __init__(self) -> None:
        self._bytes: Counter[Route] = Counter()
        self._lock = threading.Lock()

    def add(self, source: Tier, target: Tier, what: What, size: int) -> None:
        """Counts `size` bytes."""
        if size and source != target:
            with self._lock:
                self._bytes[Route(source, target, what)] += size

    def snapshot(self) -> dict[Route, int]:
        """Bytes so far on every route that was used."""
        with self._lock:
            return dict(self._bytes)


@dataclass(frozen=True)
class Generated:
    """What the engine wrote, and what that took. Sequences are in the order of the prompts."""

    tokens: list[list[int]]  # new ones only, up to and with the end-of-sequence token
    logprobs: list[list[float]]  # natural logarithm, one a token
    prefill_seconds: float
    decode_seconds: float
    traffic: Mapping[Route, int]  # bytes
    peak: Mapping[Tier, int]  # most bytes held at once
    prompt_tokens: int  # without padding
    padded_tokens: int  # prompt positions computed, padding included
    blocks: int
    busy: Mapping[str, float] = field(default_factory=dict)  # seconds of each logical thread

    @property
    def new_tokens(self) -> int:
        """Tokens generated."""
        return sum(len(tokens) for tokens in self.tokens)

    @property
    def seconds(self) -> float:
        """Wall time of prefill and decoding [s]."""
        return self.prefill_seconds + self.decode_seconds

    @property
    def tokens_per_s(self) -> float:
        """Throughput as the paper counts it: generated tokens over prefill + decode time."""
        return self.new_tokens / self.seconds

    @property
    def padding_efficiency(self) -> float:
        """Share of the computed prompt positions that are no padding [0..1]."""
        return self.prompt_tokens / self.padded_tokens


def expected_traffic(
    shape: ModelShape,
    policy: Policy,
    batches: Sequence[tuple[int, int]],
    n: int,
    weights: Mapping[Tier, int],
) -> dict[Route, int]:
    """Bytes that one block must move (sec. 4.1), in an exact form.

    `batches` are (sequences, padded prompt length s); `weights` are bytes a tier, as placed. Input
    embeddings are left out: how many rows are looked up depends on the prompts. With l layers and
    e bytes a value, for n >= 2 and every sequence:

    - weights: all that is not on the device, n times a block
    - activations: l * (s + n - 1) * h1 * e each way
    - cache written: l * (s + n - 2) positions, as the last token's are never needed
    - cache read: l * sum_{i=1}^{n-1} (s + i - 1) positions
    - of a compressed cache both in the bytes of full groups and of positions as they are
    - host attention instead reads nothing from the host, sends it queries and the new positions,
      the last token's too, and gets l * (n - 1) * heads * head_dim * e back
    """
    bytes_on: Counter[Route] = Counter()
    away: tuple[Tier, Tier] = ("host", "disk")
    for tier in away:
        bytes_on[Route(tier, "device", "weights")] = n * weights.get(tier, 0)
    l, e = shape.layers, BYTES[policy.compute]  # noqa: E741  the paper's letter
    for count, s in batches:
        states = sequences(count, policy.activations)
        for tier in away:
            size = states[tier] * l * (s + n - 1) * shape.width * e
            bytes_on[Route("device", tier, "activations")] += size
            bytes_on[Route(tier, "device", "activations")] += size
        caches = sequences(count, policy.cache)
        for tier in away:
            if n == 1:
                continue  # a prefill alone keeps no cache
            moved = caches[tier] * l
            work: Tier = "host" if policy.host_attention else "device"
            read = sum(shape.cached_bytes(policy, s + i - 1) for i in range(1, n))
            steps = ((s + i - 1, s + i) for i in range(1, n - 1))
            written = sum(shape.stored_bytes(policy, *step) for step in ((0, s), *steps))
            bytes_on[Route(work, tier, "cache")] += moved * written
            bytes_on[Route(tier, work, "cache")] += moved * read
            if policy.host_attention:
                position = moved * shape.position_bytes(policy)
                query = caches[tier] * l * (n - 1) * shape.heads * shape.head_dim * e
                bytes_on[Route("device", "host", "cache")] += position * (s + n - 1)
                bytes_on[Route("device", "host", "attention")] += query
                bytes_on[Route("host", "device", "attention")] += query
    return {
        route: size for route, size in bytes_on.items() if size and route.source != route.target
    }


def paper_traffic(shape: ModelShape, bls: int, s: int, n: int) -> dict[What, float]:
    """The paper's own formulas: bytes of one block, both ways together, everything in fp16.

    The exact cache counter is one position (4 h1 bls l bytes) below the paper's.
    """
    l, h1 = shape.layers, shape.width  # noqa: E741
    return {
        "activations": 2 * (2 * h1 * s * bls * l + 2 * h1 * bls * l * (n - 1)),
        "cache": 4 * h1 * bls * l * (s * n + n * (n - 1) / 2),
    }
