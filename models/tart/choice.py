"""One choice of examples and queries, the same for every method and base model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.tart.shots import choose_shots


def choose(
    labels: Sequence[str], most: int, seed: int, queries: int
) -> tuple[list[int], list[int]]:
    """(shots, queries): the first k shots are the examples at k <= `most`.

    Queries are drawn from what is no shot at any k, with the classes as they come there; all of it
    when fewer are left than asked for. Raises ValueError as `choose_shots` does, and when nothing
    is left.
    """
    shots = choose_shots(labels, most, seed)
    rest = sorted(set(range(len(labels))) - set(shots))
    if not rest:
        raise ValueError(f"all {len(labels)} items are examples: none is left to be asked about")
    drawn = np.random.default_rng((seed, 1)).permutation(rest)[:queries]
    return shots, drawn.tolist()
