"""Tiers of memory: byte budgets that are never overdrawn, and aligned buffers for the disk."""

from __future__ import annotations

import mmap
import threading
from collections import Counter

import torch

from models.flexgen.config import Tier

PAGE = 4096  # unit of reads past the page cache, in file and memory alike


class Arena:
    """The account of one tier. Whoever allocates asks here first."""

    def __init__(self, tier: Tier, budget: int) -> None:
        self.tier = tier
        self.budget = budget
        self.peak = 0
        self._held: Counter[str] = Counter()  # bytes a purpose
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes held now."""
        return sum(self._held.values())

    def reserve(self, purpose: str, size: int) -> None:
        """Books `size` bytes. Raises MemoryBudgetError, and books nothing, when they do not fit."""
        with self._lock:
            after = self.used + size
            if after > self.budget:
                held = ", ".join(f"{name} {count:,}" for name, count in self._held.items() if count)
                raise MemoryBudgetError(
                    f"{self.tier} budget of {self.budget:,} bytes cannot hold {size:,} bytes of "
                    f"{purpose}" + (f" beside {held}" if held else "") + f"; it takes {after:,}"
                )
            self._held[purpose] += size
            self.peak = max(self.peak, after)

    def release(self, purpose: str, size: int) -> None:
        """Gives back what `reserve` booked."""
        with self._lock:
            self._held[purpose] -= size

    def tensor(self, purpose: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A booked tensor; the caller releases its bytes."""
        self.reserve(purpose, torch.Size(shape).numel() * dtype.itemsize)
        return torch.empty(shape, dtype=dtype)


class MemoryBudgetError(ValueError):
    """A tier is too small for what the policy puts there."""


class Buffer:
    """Memory that begins on a page, as reads past the page cache want it; reused, never moved."""

    def __init__(self, size: int) -> None:
        self.size = pages(max(size, 1))
        # Private, so that it counts as memory of this process like all the rest.
        self._map = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.view = memoryview(self._map)
        self.bytes = torch.frombuffer(self._map, dtype=torch.uint8)


def pages(size: int) -> int:
    """`size` rounded up to whole pages [bytes]."""
    return -(-size // PAGE) * PAGE
