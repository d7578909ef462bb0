"""What is asked of a block, and the sequences of one batch on their way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch

from models.flexgen.cache import BatchCache
from models.flexgen.config import BYTES, ModelShape, Policy
from models.flexgen.head import Drawer, Drawing, Drawn, Likeliest
from models.flexgen.hidden import HiddenStore

AT_ONCE = 1024  # positions of a prefill that a layer computes at once
READ_AT_ONCE = 512  # positions whose logits exist at once


@dataclass(frozen=True)
class Job:
    """What is to become of every block."""

    tokens: int = 1  # new tokens n a sequence; 1 is a prefill alone, and keeps no cache
    ended: Callable[[list[int]], bool] = lambda tokens: False  # asked after every token
    drawing: Drawing | None = None  # None: the likeliest
    stop_after: int | None = None  # layer whose states are wanted instead of tokens
    scored: Sequence[int] | None = None  # of every sequence, how many last tokens are scored
    quantized: bool = False  # scores as if all keys and values came from a compressed cache


@dataclass
class Batch:
    """Sequences that are computed together, padded on the left to one length."""

    requests: tuple[int, ...]  # positions in the list of prompts
    ids: torch.Tensor  # (B, L): whole prompts, then the token chosen last
    pads: torch.Tensor | None  # (B,); None when nothing is padded
    prompt: int  # L of the prefill
    cache: BatchCache | None = None
    hidden: HiddenStore | None = None
    arriving: Future[torch.Tensor] | None = None  # hidden states on their way
    x: torch.Tensor | None = None  # hidden states just computed
    last: torch.Tensor | None = None  # (B, D): normalised states that the head reads
    reader: Likeliest | Drawn | None = None
    drawer: Drawer | None = None
    read: tuple[torch.Tensor, torch.Tensor] | None = None  # rows and positions that are scored
    targets: torch.Tensor | None = None  # (R,) the tokens that follow them
    tokens: list[list[int]] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    greedy: list[bool] = field(default_factory=list)  # R, of what is scored
    done: list[bool] = field(default_factory=list)


def padded(requests: tuple[int, ...], prompts: list[list[int]], job: Job) -> Batch:
    """A batch of prompts, padded on the left, ready for `job`."""
    longest = max(len(prompts[index]) for index in requests)
    ids = torch.zeros(len(requests), longest, dtype=torch.long)
    pads = torch.tensor([longest - len(prompts[index]) for index in requests])
    for row, index in enumerate(requests):
        ids[row, pads[row] :] = torch.tensor(prompts[index])
    batch = Batch(requests, ids, pads if pads.any() else None, longest)
    batch.tokens = [[] for _ in requests]
    batch.logprobs = [[] for _ in requests]
    batch.done = [False] * len(requests)
    if job.drawing is not None:
        batch.drawer = job.drawing([prompts[index] for index in requests])
    if job.scored is not None:
        pairs = [
            (row, position)
            for row, index in enumerate(requests)
            for position in range(longest - job.scored[index], longest)
        ]
        rows, positions = torch.tensor(pairs, dtype=torch.long).view(-1, 2).T
        batch.read, batch.targets = (rows, positions - 1), ids[rows, positions]
    return batch


def computation_bytes(
    shape: ModelShape, policy: Policy, batches: Sequence[Batch], job: Job, slice_rows: int
) -> int:
    """Most bytes that one step makes and drops: `inter` of the cost model, over one pass's rows.

    `slice_rows` are the rows of the largest slice of the output matrix.
    """
    value = BYTES[policy.compute]
    count = max(len(batch.requests) for batch in batches)
    longest = max(batch.prompt for batch in batches)
    rows = max(count, min(count * longest, max(AT_ONCE, longest)))
    attended = shape.heads * shape.head_dim
    inside = max(
        3 * shape.width + 3 * (attended + 2 * shape.kv_width),
        3 * shape.width + (3 if shape.gated else 2) * shape.ffn,
    )
    scored = [len(batch.targets) for batch in batches if batch.targets is not None]
    logits = 3 * 4 * min(READ_AT_ONCE, max([count, *scored])) * slice_rows
    if job.drawing is not None:
        logits += 4 * count * shape.vocab + 6 * 8 * shape.vocab  # a row at a time is sorted
    layer = rows * inside * value
    if job.quantized:
        sequences = max(1, AT_ONCE // longest)
        layer += 3 * 4 * sequences * shape.heads * longest**2  # scores are held, unlike otherwise
    return max(layer, logits) + 2 * count * longest * shape.width * value
