"""Prompts of like lengths into one batch, so that little of what is computed is padding."""

from __future__ import annotations

from collections.abc import Sequence

Batch = tuple[int, ...]  # positions in the list of prompts
Block = tuple[Batch, ...]


def blocks(lengths: Sequence[int], gbs: int, nb: int) -> list[Block]:
    """Cuts prompts, sorted by length, into blocks of `nb` batches of `gbs`; the last are smaller.

    Every batch is padded to its own longest prompt only. Equal lengths keep their order, so that
    the same prompts always make the same blocks.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    batches = [tuple(order[start : start + gbs]) for start in range(0, len(order), gbs)]
    return [tuple(batches[start : start + nb]) for start in range(0, len(batches), nb)]
