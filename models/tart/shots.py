"""Which labelled examples a method is shown: balanced, nested in k, drawn by a seed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np


def drawn(labels: Sequence[Hashable], seed: int) -> dict[Hashable, list[int]]:
    """The items of every class, classes by name, each in an order drawn by `seed`."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.permutation([i for i, label in enumerate(labels) if label == name]).tolist()
        for name in sorted(set(labels), key=str)
    }


def choose_shots(
    labels: Sequence[Hashable], k: int, seed: int, aside: Mapping[Hashable, int] | None = None
) -> list[int]:
    """Indices of k examples with the classes in turn, each class in an order drawn by `seed`.

    Every prefix is balanced to one example, and the choice for a smaller k is a prefix of that for
    a larger one. A class that runs out is passed over.
    aside: how many items of a class are kept from being shown, the first ones of `drawn`. It
    changes the choice only where a class runs out.
    Raises ValueError for a single class, k below the number of classes, or k above the examples.
    """
    queues = drawn(labels, seed)
    if len(queues) < 2:
        named = f"only {labels[0]!r}" if queues else "none"
        raise ValueError(f"classification needs examples of at least 2 classes, got {named}")
    if k < len(queues):
        raise ValueError(
            f"{k} shots cannot show {len(queues)} classes: ask for at least {len(queues)}"
        )
    kept = dict(aside or {})
    if k > len(labels) - sum(kept.values()):
        set_aside = f", {sum(kept.values())} of them set aside" if kept else ""
        raise ValueError(
            f"{k} shots are asked for, {len(labels)} labelled examples are there{set_aside}"
        )
    ready = [queue[kept.get(name, 0) :] for name, queue in queues.items()]
    rng = np.random.default_rng((seed, 1))
    chosen: list[int] = []
    while len(chosen) < k:
        # The classes' order within a round is drawn too: no class always has the last word.
        for place in rng.permutation(len(ready)):
            if ready[place] and len(chosen) < k:
                chosen.append(ready[place].pop())
    return chosen
