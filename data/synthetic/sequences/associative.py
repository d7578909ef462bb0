"""H3's two synthetics: the induction head and associative recall (H3 section 3.1, appendix E.1).

The two last tokens of the vocabulary are special: "copy" asks, "noop" is kept apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.synthetic.sequences.examples import IGNORED, Examples, next_tokens


def induction_head(
    rng: np.random.Generator, n: int, length: int, vocabulary: int, scored_only: bool
) -> Examples:
    """`length` random tokens, one of them overwritten by "copy"; then "copy" again.

    The answer is what followed the first time. scored_only: targets at the answer alone; otherwise
    at every position, as in training.
    """
    if length < 3 or vocabulary < 4:
        raise ValueError("induction: a length of at least 3 and a vocabulary of at least 4")
    copy = vocabulary - 2
    rows = rng.integers(0, copy, (n, length + 2))
    place = rng.integers(0, length - 1, n)
    every = np.arange(n)
    rows[every, place] = copy
    rows[:, length] = copy
    rows[:, length + 1] = rows[every, place + 1]
    return _asked(rows, scored_only)


def associative_recall(
    rng: np.random.Generator, n: int, length: int, vocabulary: int, scored_only: bool
) -> Examples:
    """Keys followed by their values, a fresh map an example; then "copy", a key that occurred.

    The first half of the ordinary tokens are keys, drawn with replacement, the second values.
    """
    half = (vocabulary - 2) // 2
    if half < 1 or length < 2:
        raise ValueError("recall: a length of at least 2 and a vocabulary of at least 4")
    pairs = length // 2
    values = half + rng.integers(0, half, (n, half))  # by key
    keys = rng.integers(0, half, (n, pairs))
    rows = np.empty((n, 2 * pairs + 3), np.int64)
    every = np.arange(n)
    rows[:, 0 : 2 * pairs : 2] = keys
    rows[:, 1 : 2 * pairs : 2] = np.take_along_axis(values, keys, 1)
    asked = keys[every, rng.integers(0, pairs, n)]
    rows[:, -3] = vocabulary - 2
    rows[:, -2] = asked
    rows[:, -1] = values[every, asked]
    return _asked(rows, scored_only)


def _asked(rows: NDArray[np.int64], scored_only: bool) -> Examples:
    """Inputs all but the answer, targets the tokens that follow or the answer alone."""
    inputs, targets = rows[:, :-1], next_tokens(rows)[:, :-1]
    if scored_only:
        targets = np.where(np.arange(targets.shape[1]) < targets.shape[1] - 1, IGNORED, targets)
    return Examples(np.ascontiguousarray(inputs), np.ascontiguousarray(targets))
