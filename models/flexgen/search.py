"""The search for the best block: which batch size, how many batches, and the placement of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from models.flexgen.cost import Costs
from models.flexgen.linear_program import Caps, InfeasibleError, Placement, place

_GRID = 16  # block sizes tried at first, from one batch to the most that fit
_MOST_BATCHES = 4096


class Found(NamedTuple):
    """The best block of a search and its placement."""

    batch: int
    batches: int
    placement: Placement


def search(
    costs: Callable[[int, int], Costs],
    caps: Caps,
    most_requests: int | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Found:
    """The block (batch, batches) and placement of the highest predicted throughput.

    costs: of a block of `batches` batches of `batch` requests. most_requests: the job has no more.
    Batch sizes are 1, 2, 3, 4, 8, 16, ... as in the released code. It then scans the number of
    batches until the throughput drops; here a geometric grid over all feasible numbers is solved
    and the neighbourhood of its best refined, because a first maximum need not be the highest.

    Raises InfeasibleError when not even one request at a time fits.
    """
    return candidates(costs, caps, most_requests, fixed)[0]


def candidates(
    costs: Callable[[int, int], Costs],
    caps: Caps,
    most_requests: int | None = None,
    fixed: Mapping[str, float] | None = None,
) -> list[Found]:
    """The best number of batches for every batch size, as in `search`, the fastest first."""
    best = Found(1, 1, place(costs(1, 1), caps, fixed))
    found: list[Found] = []
    for batch in _batch_sizes(most_requests):
        blocks = _Blocks(partial(_solved, costs, caps, fixed, batch))
        largest = blocks.largest(None if most_requests is None else most_requests // batch)
        if largest == 0:
            break
        blocks.refine(largest)
        found.append(blocks.best(batch))
        if _faster(found[-1].placement, best.placement):
            best = found[-1]
    rest = [one for one in found if one is not best]
    return [best, *sorted(rest, key=lambda one: -one.placement.tokens_per_s)]


def _faster(one: Placement, other: Placement) -> bool:
    """Beyond what rounding may make of equals."""
    return one.tokens_per_s > other.tokens_per_s * (1 + 1e-9)


def _solved(
    costs: Callable[[int, int], Costs],
    caps: Caps,
    fixed: Mapping[str, float] | None,
    batch: int,
    batches: int,
) -> Placement:
    return place(costs(batch, batches), caps, fixed)


class _Blocks:
    """Placements by number of batches, each solved once; None where nothing fits."""

    def __init__(self, solve: Callable[[int], Placement]) -> None:
        self._solve = solve
        self.placed: dict[int, Placement | None] = {}

    def at(self, batches: int) -> Placement | None:
        if batches not in self.placed:
            try:
                self.placed[batches] = self._solve(batches)
            except InfeasibleError:
                self.placed[batches] = None
        return self.placed[batches]

    def largest(self, most: int | None) -> int:
        """Most batches that fit, by doubling and bisection: memory only grows with the block."""
        if not self.at(1):
            return 0
        top = _MOST_BATCHES if most is None else min(most, _MOST_BATCHES)
        low, high = 1, 2
        while high <= top and self.at(high):
            low, high = high, 2 * high
        high = min(high, top + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.at(middle) else (low, middle)
        return low

    def best(self, batch: int) -> Found:
        """The fastest of those solved, and of equals the first."""
        best: Found | None = None
        for batches, placement in self.placed.items():
            if placement and (best is None or _faster(placement, best.placement)):
                best = Found(batch, batches, placement)
        assert best is not None
        return best

    def refine(self, largest: int) -> None:
        """Solves a geometric grid of 1..largest, then ever finer around its best."""
        grid = sorted({round(largest ** (i / _GRID)) for i in range(_GRID + 1)})
        while True:
            speeds = [p.tokens_per_s if (p := self.at(n)) else 0.0 for n in grid]
            i = int(np.argmax(speeds))
            low, high = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
            between = np.linspace(low, high, 9).round().astype(int).tolist()
            finer = sorted({grid[i], *between})
            if finer == grid or high - low <= 2:
                return
            grid = finer


def _batch_sizes(most: int | None) -> Iterator[int]:
    batch = 1
    while most is None or batch <= most:
        yield batch
        batch = batch + 1 if batch < 4 else 2 * batch
