"""What every sequence task makes: inputs, and targets where a model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]

IGNORED = -100  # target of a position that is neither trained on nor scored


@dataclass(frozen=True)
class Examples:
    """n examples of one length.

    inputs: tokens int64 (n, L) or vectors float32 (n, L, C). targets: classes int64, (n, L) with
    IGNORED or one an example (n,); or numbers float32 (n, L), NaN where nothing is asked.
    """

    inputs: NDArray[np.int64] | NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.inputs)


def next_tokens(rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """Targets of a language model for token rows (n, L): what follows; nothing after the last."""
    targets = np.full(rows.shape, IGNORED, np.int64)
    targets[:, :-1] = rows[:, 1:]
    return targets


def distinct(rng: np.random.Generator, n: int, low: int, high: int, k: int) -> NDArray[np.int64]:
    """k different numbers out of [low, high) in each of n rows, in random order: (n, k)."""
    if k > high - low:
        raise ValueError(f"{k} different numbers cannot be drawn from {high - low}")
    order = rng.random((n, high - low)).argpartition(k - 1, axis=1)[:, :k]
    return low + rng.permuted(order, axis=1)
