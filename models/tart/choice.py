"""One choice of examples and queries, the same for every method and base model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.tart.shots import choose_shots, drawn


def choose(
    labels: Sequence[str], most: int, seed: int, queries: int
) -> tuple[list[int], list[int]]:
    """(shots, queries): the first k shots are the examples at k <= `most`.

    Queries are put aside first, with the classes in the proportions of all items; the balanced
    shots come from the rest. Fewer queries are the beginning of more, and the shots are the same
    for any number of them, so that models which can afford fewer are comparable on those.

    Few items: queries give way to `most` shots in number, but not in kind. At least one of every
    class that has two items is asked about, one of every class is left to be shown, and a class
    that the shots use up is passed over: they are then less balanced than with many items.
    Raises ValueError as `choose_shots` does, when nothing is left to be asked about, and when all
    queries would be of one class.
    """
    asked = min(queries, len(labels) - most)
    if asked < 1:
        raise ValueError(
            f"all {len(labels)} items are examples at k = {most}: none is left to be asked about"
        )
    found = _stratified(labels, asked, seed)
    shots = choose_shots(labels, most, seed, Counter(labels[i] for i in found))
    if len({labels[i] for i in found}) < min(asked, 2):
        raise ValueError(
            "at least two classes need two items each, one to show and one to ask about; got "
            f"{', '.join(f'{name!r} {n}' for name, n in Counter(labels).most_common(3))}"
        )
    return shots, found


def _stratified(labels: Sequence[str], count: int, seed: int) -> list[int]:
    """`count` items of which every beginning has the classes in their proportions."""
    queues = drawn(labels, seed)
    taken = dict.fromkeys(queues, 0)
    found: list[int] = []
    while len(found) < count:
        open_ = [name for name, queue in queues.items() if taken[name] < len(queue) - 1]
        if not open_:
            break
        share = (len(found) + 1) / len(labels)
        # What lacks most of its share comes next; what was never asked about, before all else.
        name = max(
            open_,
            key=lambda name: (not taken[name], len(queues[name]) * share - taken[name]),
        )
        found.append(queues[name][taken[name]])
        taken[name] += 1
    return found
