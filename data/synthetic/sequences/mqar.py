"""Multi-query associative recall, by zoology's specification (Arora et al., ICLR 2024, section 3).

Draws come from numpy's legacy generator in the published order (keys, values, gaps; one row after
the other within each), so that a seed gives the published examples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.synthetic.sequences.examples import IGNORED, Examples


def mqar(
    seed: int,
    n: int,
    length: int,
    pairs: int,
    vocabulary: int = 8192,
    *,
    power: float = 0.01,
    random_filler: bool = False,
) -> Examples:
    """K key-value pairs, then every key once more at gaps of a power law; asked are their values.

    Keys are from 1 to V/2 - 1, values from V/2 to V - 1; key j comes again at 2 K + 2 slot_j,
    slots drawn with p(i) ~ power i^(power - 1). Other positions are 0, or any token.
    Raises ValueError for an odd length, 4 K > L, or fewer than 2 K tokens.
    """
    if length % 2 or 4 * pairs > length or pairs < 1 or vocabulary // 2 <= pairs:
        raise ValueError(
            f"mqar: an even length of at least 4 K and V / 2 > K, not L {length}, K {pairs}, "
            f"V {vocabulary}"
        )
    rng = np.random.RandomState(seed)  # the published generator
    half = vocabulary // 2
    keys = _choices(rng, np.arange(1, half), n, pairs)
    values = _choices(rng, np.arange(half, vocabulary), n, pairs)
    space = (length - 2 * pairs) // 2
    weights = power * np.arange(1, space + 1) ** (power - 1)
    slots = _choices(rng, np.arange(space), n, pairs, weights / weights.sum())
    inputs = np.zeros((n, length), np.int64)
    inputs[:, 0 : 2 * pairs : 2] = keys
    inputs[:, 1 : 2 * pairs : 2] = values
    targets = np.full((n, length), IGNORED, np.int64)
    places = 2 * pairs + 2 * slots
    np.put_along_axis(inputs, places, keys, 1)
    np.put_along_axis(targets, places, values, 1)
    if random_filler:
        filler = rng.randint(vocabulary, size=inputs.shape)
        inputs = np.where(inputs == 0, filler, inputs)
    return Examples(inputs, targets)


def _choices(
    rng: np.random.RandomState,
    of: NDArray[np.int64],
    n: int,
    k: int,
    p: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """n rows of k different values."""
    return np.stack([rng.choice(of, k, replace=False, p=p) for _ in range(n)])
