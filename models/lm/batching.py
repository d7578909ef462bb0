"""Requests of unequal length, cut into batches that waste little on padding."""

from collections.abc import Sequence


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of `lengths` in batches: similar lengths together, the longest first.

    Rows times the longest row stay within `budget`; a row above it is a batch of its own. The
    longest come first, so that running out of memory shows at once and progress only speeds up.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    found: list[list[int]] = []
    for i in order:
        # Sorted, so the first row of a batch is its longest.
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= budget:
            found[-1].append(i)
        else:
            found.append([i])
    return found
