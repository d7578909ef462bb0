"""What a run moved, held and took, and what the paper's formulas say that it must move."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from models.flexgen.config import Tier, What


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
