"""What every training loop here needs: a learning-rate schedule and a fixed number of threads."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def warmup_cosine(step: int, steps: float, warmup: int) -> float:
    """Share of the peak learning rate at `step` of `steps`: linear warm-up, then half a cosine.

    With infinite `steps` the rate stays at its peak after the warm-up.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Runs a block with this many torch threads and gives back the old number, come what may.

    The rounding of sums, and so the exact weights, depend on it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
