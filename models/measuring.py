"""Measuring two ways of doing a thing against one another, as one row a comparison.

Absolute times mean little on a machine that does other things as well, so contestants run in turn
within one process, warm-ups first, and what is kept are medians and their ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measurement:
    """One comparison: ours against a peer, on the same input and machine, in one run."""

    case: str  # what was done, in words
    size: str  # how large, e.g. "L=4096 d=64"
    ours: str  # what stood on our side, e.g. "T1"
    ours_value: float
    peer: str
    peer_value: float
    unit: str  # of both values
    higher_is_better: bool = False
    runs: int = 1  # medians are over so many
    threads: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    versions: Mapping[str, str] = field(default_factory=dict)  # of the peer's packages

    @property
    def ratio(self) -> float:
        """How many times better ours is, whatever the unit; below 1 it is worse."""
        pair = (self.ours_value, self.peer_value)
        better, worse = pair if self.higher_is_better else reversed(pair)
        return better / worse


def in_turn(
    contestants: Mapping[str, Callable[[], object]], runs: int, warmups: int = 1
) -> dict[str, float]:
    """Median wall time [s] of every contestant over `runs` runs, taken in turn."""
    for contestant in contestants.values():
        for _ in range(warmups):
            contestant()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, contestant in contestants.items():
            started = time.perf_counter()
            contestant()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}
