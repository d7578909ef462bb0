"""What training loops here share: a schedule, a number of threads, gradients over processes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn


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


def average_gradients(model: nn.Module) -> None:
    """All processes' gradients in one message, by their mean; needs torch.distributed at work."""
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for grad, mean in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(mean.view_as(grad))
