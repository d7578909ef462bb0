"""One block of batches on its way through the schedule: what the six logical threads do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import torch

from models.flexgen import attention
from models.flexgen.adapters.base import Rotation
from models.flexgen.batch import AT_ONCE, READ_AT_ONCE, Batch, Job, computation_bytes
from models.flexgen.cache import BatchCache, workspace_bytes
from models.flexgen.config import Policy, Tier
from models.flexgen.embedding import Embedding
from models.flexgen.groups import round_trip
from models.flexgen.head import Drawn, Likeliest
from models.flexgen.hidden import HiddenStore
from models.flexgen.homes import Homes
from models.flexgen.lanes import Lanes
from models.flexgen.memory import Memory
from models.flexgen.schedule import Step
from models.flexgen.streaming import Streamer
from models.flexgen.tiers import PAGE, pages
from models.flexgen.weights import WeightFolder


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


class BlockRun:
    """A block in work. `close` gives back what it holds."""

    def __init__(self, parts: Parts, batches: list[Batch], job: Job) -> None:
        self._parts, self._job = parts, job
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
        slice_rows = max(group.items[0].stored.shape[0] for group in self._parts.homes.head)
        working = computation_bytes(shape, policy, self.batches, self._job, slice_rows)
        self._reserve("device", "computation", working)
        record = 0
        for batch in self.batches:
            count = len(batch.requests)
            batch.hidden = HiddenStore(shape, policy, memory, count, batch.prompt)
            if self._job.tokens > 1:
                positions = batch.prompt + self._job.tokens - 1
                batch.cache = BatchCache(
                    shape, policy, memory, count=count, positions=positions, pads=batch.pads
                )
                record = max(record, batch.cache.staging_bytes)
        if record:
            memory.stage(pages(record) + PAGE)
        moved = [
            (batch.cache.moved, batch.prompt + self._job.tokens - 1)
            for batch in self.batches
            if batch.cache is not None
        ]
        size = max((workspace_bytes(shape, policy, *pair) for pair in moved), default=0)
        if size:
            on: Tier = "host" if policy.host_attention else "device"
            self._reserve(on, "cache workspaces", 2 * size)
            values = size // self._type.itemsize
            self._workspaces = [torch.empty(values, dtype=self._type) for _ in range(2)]

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
            self._move(cache.load, step.layer, past, self._workspace(step))

    def store_cache(self, step: Step) -> None:
        """Begins to carry the step's new positions home; the last token's are never needed."""
        cache = self.batches[step.batch].cache
        last = step.token == self._job.tokens - 1
        if not last and step.layer < self._layers and cache is not None and cache.moved:
            start = self._past(step)
            stop = start + (self.batches[step.batch].prompt if step.token == 0 else 1)
            self._move(cache.store, step.layer, start, stop, self._workspace(step))

    def load_activation(self, step: Step) -> None:
        """Begins to fetch the hidden states a step works on; the first layer embeds instead."""
        batch = self.batches[step.batch]
        if 0 < step.layer <= self._layers and batch.hidden is not None:
            batch.arriving = self._parts.lanes.submit("activations", batch.hidden.load)

    def store_activation(self, step: Step) -> None:
        """Begins to put the step's hidden states where they live."""
        batch = self.batches[step.batch]
        wanted = step.layer + 1 == self._job.stop_after  # stays in `x` for the caller
        if step.layer < self._layers and batch.hidden is not None and not wanted:
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

    def embed(self) -> Iterator[int]:
        """Instead of the schedule where no layer is wanted: leaves the embeddings in `x`."""
        for number, batch in enumerate(self.batches):
            batch.x = self._input(Step(0, 0, number))
        yield 0

    # What they share.

    def _move(self, work: Callable[..., None], *arguments: object) -> None:
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
        positions = batch.prompt + self._job.tokens - 1
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
        at_once = max(1, AT_ONCE // L)
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
                batch.cache.keep(step.layer, past, rows, (k, v), self._workspace(step))
            if step.token == 0:
                pads = None if batch.pads is None else batch.pads[rows]
                if self._job.quantized:
                    group = parts.policy.group
                    cached = round_trip(k, group, pads), round_trip(v, group, pads)
                    return attention.prefill_rounded(q, (k, v), cached, pads, group)
                return attention.prefill(q, k, v, pads)
            assert batch.cache is not None
            return batch.cache.attend(step.layer, past, q, self._workspace(step))

        rotation = parts.rotation(positions, self._type) if parts.rotation else None
        weights = parts.streamer.current
        return parts.weights.adapter.layer(step.layer, weights, x, rotation, attend)

    def _head(self, step: Step) -> None:
        batch, parts = self.batches[step.batch], self._parts
        slices = parts.homes.head
        number = step.layer - self._layers
        if number == 0:
            self._begin_reading(batch, self._input(step))
        assert batch.last is not None
        assert batch.reader is not None
        matrix = parts.streamer.current["head"]
        first = sum(group.items[0].stored.shape[0] for group in slices[:number])
        for start in range(0, len(batch.last), READ_AT_ONCE):
            rows = slice(start, min(start + READ_AT_ONCE, len(batch.last)))
            batch.reader.take(batch.last[rows] @ matrix.T, rows, first)
        if number == len(slices) - 1:
            self._end_reading(batch)

    def _begin_reading(self, batch: Batch, x: torch.Tensor) -> None:
        last = x[:, -1] if batch.read is None else x[batch.read]  # (R, D)
        batch.last = self._parts.weights.adapter.final(self._parts.homes.final_weights, last)
        if batch.drawer is None:
            batch.reader = Likeliest(len(last), batch.targets)
        else:
            batch.reader = Drawn(batch.drawer, len(last), self._parts.weights.shape.vocab)

    def _end_reading(self, batch: Batch) -> None:
        reader, batch.reader, batch.last = batch.reader, None, None
        assert reader is not None
        if batch.read is not None:
            assert isinstance(reader, Likeliest)
            logprobs, batch.greedy = reader.told()
            for row, logprob in zip(batch.read[0].tolist(), logprobs, strict=True):
                batch.logprobs[row].append(logprob)
            return
        tokens, logprobs = reader.choose()
        batch.ids = torch.tensor(tokens)[:, None]
        for row, (token, logprob) in enumerate(zip(tokens, logprobs, strict=True)):
            if not batch.done[row]:  # what follows an end is computed with the batch, not kept
                batch.tokens[row].append(token)
                batch.logprobs[row].append(logprob)
                batch.done[row] = self._job.ended(batch.tokens[row])
