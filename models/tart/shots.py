"""Which labelled examples a method is shown: balanced, nested in k, drawn by a seed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


def choose_shots(labels: Sequence[Hashable], k: int, seed: int) -> list[int]:
    """Indices of k examples with the classes in turn, each class in an order drawn by `seed`.

    Every prefix is balanced to one example, and the choice for a smaller k is a prefix of that for
    a larger one. A class that runs out is passed over.
    Raises ValueError for a single class, k below the number of classes, or k above the examples.
    """
    classes = sorted(set(labels), key=str)
    if len(classes) < 2:
        named = f"only {classes[0]!r}" if classes else "none"
        raise ValueError(f"classification needs examples of at least 2 classes, got {named}")
    if k < len(classes):
        raise ValueError(
            f"{k} shots cannot show {len(classes)} classes: ask for at least {len(classes)}"
        )
    if k > len(labels):
        raise ValueError(f"{k} shots are asked for, {len(labels)} labelled examples are there")
    rng = np.random.default_rng(seed)
    queues = [
        rng.permutation([i for i, label in enumerate(labels) if label == each]).tolist()
        for each in classes
    ]
    chosen: list[int] = []
    while len(chosen) < k:
        # The classes' order within a round is drawn too: no class always has the last word.
        for place in rng.permutation(len(queues)):
            if queues[place] and len(chosen) < k:
                chosen.append(queues[place].pop())
    return chosen
