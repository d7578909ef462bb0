"""One block of batches on its way through the schedule: what the six logical threads do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from models.flexgen import attention
from models.flexgen.adapters.base import Rotation
from models.flexgen.cache import BatchCache, workspace_bytes
from models.flexgen.config import BYTES, Policy, Tier
from models.flexgen.embedding import Embedding
from models.flexgen.head import Drawn, Likeliest
from models.flexgen.hidden import HiddenStore
from models.flexgen.homes import Homes
from models.flexgen.lanes import Lanes
from models.flexgen.memory import Memory
from models.flexgen.schedule import Step
from models.flexgen.streaming import Streamer
from models.flexgen.tiers import PAGE, pages
from models.flexgen.weights import WeightFolder
from models.lm.interface import Sampling

_ROWS = 2048  # positions of a prefill that a layer computes at once

ChooseReader = Callable[[int], Likeliest | Drawn]


@dataclass(frozen=True)
class Parts:
    """What an engine is made of."""

    weights: WeightFolder
    policy: Policy
    memory: Memory
    homes: Homes
    lanes: Lanes
    streamer: Streamer
    embedding: Embedding
    rotation: Callable[[torch.Tensor, torch.dtype], Rotation] | None


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
    reader: Any = None
    tokens: list[list[int]] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    done: list[bool] = field(default_factory=list)


def padded(requests: tuple[int, ...], prompts: list[list[int]]) -> Batch:
    """A batch of prompts, padded on the left."""
    longest = max(len(prompts[index]) for index in requests)
    ids = torch.zeros(len(requests), longest, dtype=torch.long)
    pads = torch.tensor([longest - len(prompts[index]) for index in requests])
    for row, index in enumerate(requests):
        ids[row, pads[row] :] = torch.tensor(prompts[index])
    batch = Batch(requests, ids, pads if pads.any() else None, longest)
    batch.tokens = [[] for _ in requests]
    batch.logprobs = [[] for _ in requests]
    batch.done = [False] * len(requests)
    return batch


class BlockRun:
    """A block in work. `close` gives back what it holds."""

    def __init__(
        self, parts: Parts, batches: list[Batch], n: int, eos: frozenset[int], sampling: Sampling
    ) -> None:
        self._parts, self._n, self._eos, self._sampling = parts, n, eos, sampling
        self.batches = batches
        policy, shape = parts.policy, parts.weights.shape
        self._type = getattr(torch, policy.compute)
        self._layers = shape.layers
        self._moving: list[Future[None]] = []
        self._booked: list[tuple[Tier, str, int]] = []
        self._workspaces: list[torch.Tensor] = []
        try:
            self._book()
        except BaseException:
            self.close()
            raise

    def _book(self) -> None:
        policy, shape = self._parts.policy, self._parts.weights.shape
        memory = self._parts.memory
        self._reserve("device", "computation", self._computation())
        record = 0
        for batch in self.batches:
            count = len(batch.requests)
            batch.hidden = HiddenStore(shape, policy, memory, count, batch.prompt)
            if self._n > 1:
                positions = batch.prompt + self._n - 1
                batch.cache = BatchCache(shape, policy, memory, count, positions, batch.pads)
                for part in batch.cache.parts:
                    if part.file is not None:
                        record = max(record, part.record * positions)
        if record:
            memory.stage(pages(record) + PAGE)
        moved = [
            (batch.cache.moved, batch.prompt + self._n - 1)
            for batch in self.batches
            if batch.cache is not None
        ]
        size = max((workspace_bytes(shape, policy, *pair) for pair in moved), default=0)
        if size:
            on: Tier = "host" if policy.host_attention else "device"
            self._reserve(on, "cache workspaces", 2 * size)
            values = size // self._type.itemsize
            self._workspaces = [torch.empty(values, dtype=self._type) for _ in range(2)]

    def _computation(self) -> int:
        """Bytes of what a layer makes and drops: the sheet's `inter`, for the rows of one pass."""
        policy, shape = self._parts.policy, self._parts.weights.shape
        value = BYTES[policy.compute]
        count = max(len(batch.requests) for batch in self.batches)
        longest = max(batch.prompt for batch in self.batches)
        rows = max(count, min(count * longest, max(_ROWS, longest)))
        attended = shape.heads * shape.head_dim
        inside = max(
            3 * shape.width + 3 * (attended + 2 * shape.kv_width),
            3 * shape.width + (3 if shape.gated else 2) * shape.ffn,
        )
        slice_rows = max(
            item.stored.shape[0] for group in self._parts.homes.head for item in group.items
        )
        logits = 3 * 4 * count * slice_rows
        if self._sampling.temperature:
            logits += 4 * 4 * count * shape.vocab
        return max(rows * inside * value, logits) + 2 * count * longest * shape.width * value

    def _reserve(self, tier: Tier, purpose: str, size: int) -> None:
        self._parts.memory.arena(tier).reserve(purpose, size)
        self._booked.append((tier, purpose, size))

    def close(self) -> None:
        """Gives memory and files back."""
        self._parts.streamer.drain()
        for future in self._moving:
            future.exception()
        for batch in self.batches:
            if batch.cache is not None:
                batch.cache.close()
            if batch.hidden is not None:
                batch.hidden.close()
        for tier, purpose, size in self._booked:
            self._parts.memory.arena(tier).release(purpose, size)
        self._booked.clear()
        self._workspaces.clear()

    # The six logical threads.

    def load_weight(self, step: Step) -> None:
        """Begins to fetch a layer or a slice of the output matrix."""
        self._parts.streamer.start(step.layer)

    def load_cache(self, step: Step) -> None:
        """Begins to fill the workspace of the step with the positions before it."""
        cache = self.batches[step.batch].cache
        if step.token and step.layer < self._layers and cache is not None and cache.moved:
            past = self._past(step)
            self._move("cache load", cache.load, step.layer, past, self._workspace(step))

    def store_cache(self, step: Step) -> None:
        """Begins to carry the step's new positions home; the last token's are never needed."""
        cache = self.batches[step.batch].cache
        last = step.token == self._n - 1
        if not last and step.layer < self._layers and cache is not None and cache.moved:
            start = self._past(step)
            stop = start + (self.batches[step.batch].prompt if step.token == 0 else 1)
            self._move("cache store", cache.store, step.layer, start, stop, self._workspace(step))

    def load_activation(self, step: Step) -> None:
        """Begins to fetch the hidden states a step works on; the first layer embeds instead."""
        batch = self.batches[step.batch]
        if 0 < step.layer <= self._layers and batch.hidden is not None:
            batch.arriving = self._parts.lanes.submit("activations", batch.hidden.load)

    def store_activation(self, step: Step) -> None:
        """Begins to put the step's hidden states where they live."""
        batch = self.batches[step.batch]
        if step.layer < self._layers and batch.hidden is not None:
            assert batch.x is not None
            x, batch.x = batch.x, None
            self._moving.append(self._parts.lanes.submit("activations", batch.hidden.store, x))

    def compute(self, step: Step) -> None:
        """A layer, or a slice of the vocabulary, for one batch."""
        if step.layer < self._layers:
            self._parts.lanes.timed("compute", self._layer, step)
        else:
            self._parts.lanes.timed("compute", self._head, step)

    def synchronize(self, layer_ends: bool) -> None:
        """Waits for cache and activations; for weights where a layer ends."""
        for future in self._moving:
            future.result()
        self._moving.clear()
        if layer_ends:
            self._parts.streamer.finish()

    def finished(self) -> bool:
        """Whether every sequence has ended."""
        return all(all(batch.done) for batch in self.batches)

    # What they share.

    def _move(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        del name
        self._moving.append(self._parts.lanes.submit("cache", work, *arguments))

    def _past(self, step: Step) -> int:
        """Positions before the step's token."""
        return 0 if step.token == 0 else self.batches[step.batch].prompt + step.token - 1

    def _workspace(self, step: Step) -> torch.Tensor:
        """The workspace (2, b, kv, S, d) of a step; the two take turns."""
        batch = self.batches[step.batch]
        assert batch.cache is not None
        shape = self._parts.weights.shape
        turn = (step.token * self._layers + step.layer) * len(self.batches) + step.batch
        positions = batch.prompt + self._n - 1
        dims = (2, batch.cache.moved, shape.kv_heads, positions, shape.head_dim)
        flat = self._workspaces[turn % 2] if self._workspaces else torch.empty(0, dtype=self._type)
        return flat[: torch.Size(dims).numel()].view(dims)

    def _input(self, step: Step) -> torch.Tensor:
        batch = self.batches[step.batch]
        if step.layer == 0:
            return self._parts.embedding(batch.ids, self._positions(step), self._type)
        if batch.arriving is None:  # one batch: what the step before made
            self.load_activation(step)
        assert batch.arriving is not None
        x = batch.arriving.result()
        batch.arriving = None
        return x

    def _positions(self, step: Step) -> torch.Tensor:
        """Position of every token the step works on, counted without padding (B, L)."""
        batch = self.batches[step.batch]
        past = self._past(step)
        at = torch.arange(past, past + batch.ids.shape[1])[None].expand(batch.ids.shape)
        return at if batch.pads is None else (at - batch.pads[:, None]).clamp_min(0)

    def _layer(self, step: Step) -> None:
        batch = self.batches[step.batch]
        x = self._input(step)
        positions = self._positions(step)
        B, L, _ = x.shape
        y = torch.empty_like(x)
        at_once = max(1, _ROWS // L)
        for start in range(0, B, at_once) if step.token == 0 else (0,):
            rows = slice(start, min(start + at_once, B)) if step.token == 0 else slice(0, B)
            y[rows] = self._sublayers(step, rows, x[rows], positions[rows])
        batch.x = y

    def _sublayers(
        self, step: Step, rows: slice, x: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        batch, parts = self.batches[step.batch], self._parts
        past = self._past(step)

        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            if batch.cache is not None:
                batch.cache.keep(step.layer, past, rows, k, v, self._workspace(step))
            if step.token == 0:
                pads = None if batch.pads is None else batch.pads[rows]
                return attention.prefill(q, k, v, pads)
            assert batch.cache is not None
            return batch.cache.attend(step.layer, past, q, self._workspace(step))

        rotation = parts.rotation(positions, self._type) if parts.rotation else None
        weights = parts.streamer.current
        return parts.weights.adapter.layer(step.layer, weights, x, rotation, attend)

    def _head(self, step: Step) -> None:
        batch, parts = self.batches[step.batch], self._parts
        first_slice = step.layer == self._layers
        if first_slice:
            final = {item.key: item.tensor for item in parts.homes.final.items}
            batch.last = parts.weights.adapter.final(
                {key: tensor for key, tensor in final.items() if tensor is not None},
                self._input(step)[:, -1],
            )
            batch.reader = self._reader(batch, step.token)
        assert batch.last is not None
        matrix = parts.streamer.current["head"]
        first = sum(
            group.items[0].stored.shape[0]
            for group in parts.homes.head[: step.layer - self._layers]
        )
        batch.reader.take(batch.last @ matrix.T, first)
        if step.layer == self._layers + len(parts.homes.head) - 1:
            self._choose(batch)

    def _reader(self, batch: Batch, token: int) -> Likeliest | Drawn:
        if not self._sampling.temperature:
            return Likeliest(len(batch.requests))
        generators = []
        for request in batch.requests:  # a request's tokens do not depend on its neighbours
            generator = torch.Generator()
            generator.manual_seed(hash((self._sampling.seed, request, token)) & (2**63 - 1))
            generators.append(generator)
        return Drawn(self._sampling, generators)

    def _choose(self, batch: Batch) -> None:
        tokens, logprobs = batch.reader.choose()
        batch.ids = tokens[:, None]
        batch.reader = batch.last = None
        rows = zip(tokens.tolist(), logprobs.tolist(), strict=True)
        for row, (token, logprob) in enumerate(rows):
            if not batch.done[row]:
                batch.tokens[row].append(token)
                batch.logprobs[row].append(logprob)
                batch.done[row] = token in self._eos or len(batch.tokens[row]) == self._n
