"""What every generator of operator data hands over: inputs, outputs, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

# The random streams of the splits, whatever the seed: no sample is ever in two of them.
STREAMS = {"train": 0, "validation": 1, "test": 2}


class Part(BaseModel, frozen=True, extra="forbid"):
    """One shard of one split: the samples first to first + count - 1 on a grid of `resolution`."""

    split: str = Field(description="train, validation or test", pattern="^(train|validation|test)$")
    first: int = Field(description="number of the first sample", ge=0)
    count: int = Field(description="samples", ge=1)
    resolution: int = Field(description="points along each grid axis", ge=4)

    def seeds(self, seed: int) -> list[tuple[int, int, int]]:
        """A random stream for each sample, the same on every grid and however one shards."""
        return [(seed, STREAMS[self.split], i) for i in range(self.first, self.first + self.count)]


@dataclass(frozen=True)
class Samples:
    """Inputs u (n, C_in, *grid) and outputs y (n, frames, C_out, *grid) with their numbers.

    solver_ms: what computing each took; None where nothing was solved. failed: number and reason
    of every sample that could not be computed; it is not among the others.
    """

    number: Sequence[int]
    u: NDArray[np.float64]
    y: NDArray[np.float64]
    solver: str
    solver_ms: float | None = None
    failed: Sequence[tuple[int, str]] = field(default_factory=tuple)
