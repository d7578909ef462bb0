"""The engine: opens a model's weights under a policy and generates in zig-zag blocks (sec. 4.1)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import torch

from models.flexgen import streaming
from models.flexgen.block import Batch, BlockRun, Parts, padded
from models.flexgen.bucketing import blocks
from models.flexgen.config import Budgets, Policy
from models.flexgen.counters import Generated, Route
from models.flexgen.embedding import Embedding
from models.flexgen.homes import Homes
from models.flexgen.lanes import Lanes
from models.flexgen.memory import Memory
from models.flexgen.placement import Placed
from models.flexgen.schedule import zigzag
from models.flexgen.streaming import Streamer
from models.flexgen.weights import WeightFolder
from models.lm.interface import Sampling
from models.progress import Progress, silent

_THREADS = {streaming.LANE: streaming.THREADS, "cache": 1, "activations": 1}


class Engine:
    """A model under a policy. Use as a context manager: it holds threads, buffers and files.

    Raises ValueError before anything is allocated when a budget cannot hold what the policy puts
    there, saying the least that would do.
    """

    def __init__(self, weights: WeightFolder, policy: Policy, budgets: Budgets) -> None:
        self.weights, self.policy = weights, policy
        self.memory = Memory(budgets, weights.nbytes)
        self._lanes = Lanes(policy.overlap, _THREADS)
        try:
            with torch.no_grad():
                homes = Homes(weights, policy, self.memory)
                self._parts = Parts(
                    weights,
                    policy,
                    self.memory,
                    homes,
                    self._lanes,
                    Streamer(homes, policy, self.memory, self._lanes),
                    Embedding(weights, homes, self.memory),
                    weights.adapter.rotation(weights.shape.context),
                )
        except BaseException:
            self._lanes.close()
            self.memory.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads and closes the files."""
        self._lanes.close()
        self._parts.embedding.close()
        self.memory.close()

    @property
    def placement(self) -> list[Placed]:
        """Asked and achieved shares of the weights, a row a tier."""
        return self._parts.homes.placement()

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        eos: frozenset[int] = frozenset(),
        sampling: Sampling | None = None,
        progress: Progress = silent,
    ) -> Generated:
        """At most `n` new tokens after every prompt, greedily unless `sampling` says otherwise.

        `progress` counts tokens of all prompts. Raises ValueError for an empty prompt and for one
        that leaves no room for `n` tokens in the context.
        """
        asked = self._checked(prompts, n)
        before, busy = self.memory.traffic.snapshot(), dict(self._lanes.busy)
        tokens: list[list[int]] = [[] for _ in asked]
        logprobs: list[list[float]] = [[] for _ in asked]
        seconds = [0.0, 0.0]  # prefill, decoding
        cut = blocks([len(prompt) for prompt in asked], self.policy.gbs, self.policy.nb)
        padded_tokens = done = 0
        for block in cut:
            batches = [padded(batch, asked) for batch in block]
            padded_tokens += sum(batch.ids.numel() for batch in batches)
            size = sum(len(batch.requests) for batch in batches)
            for token, spent in self._steps(batches, n, eos, sampling or Sampling(max_tokens=n)):
                seconds[min(token, 1)] += spent
                progress(done + size * (token + 1), n * len(asked))
            done += size * n
            for batch in batches:
                for row, request in enumerate(batch.requests):
                    tokens[request] = batch.tokens[row]
                    logprobs[request] = batch.logprobs[row]
        progress(n * len(asked), n * len(asked))
        return Generated(
            tokens=tokens,
            logprobs=logprobs,
            prefill_seconds=seconds[0],
            decode_seconds=seconds[1],
            traffic=_since(before, self.memory.traffic.snapshot()),
            peak=self.memory.peaks(),
            prompt_tokens=sum(len(prompt) for prompt in asked),
            padded_tokens=padded_tokens,
            blocks=len(cut),
            busy={lane: spent - busy.get(lane, 0) for lane, spent in self._lanes.busy.items()},
        )

    def _steps(
        self, batches: list[Batch], n: int, eos: frozenset[int], sampling: Sampling
    ) -> list[tuple[int, float]]:
        """Runs a block; the seconds of every token step."""
        spent = []
        with torch.no_grad():
            run = BlockRun(self._parts, batches, n, eos, sampling)
            try:
                started = time.perf_counter()
                for token in zigzag(n, len(self._parts.homes.groups), len(batches), run):
                    now = time.perf_counter()
                    spent.append((token, now - started))
                    started = now
            finally:
                run.close()
        return spent

    def _checked(self, prompts: Sequence[Sequence[int]], n: int) -> list[list[int]]:
        context = self.weights.shape.context
        for number, prompt in enumerate(prompts):
            if not prompt:
                raise ValueError(f"prompt {number} is empty")
            if len(prompt) + n > context:
                raise ValueError(
                    f"prompt {number} has {len(prompt)} tokens; with {n} new ones it is longer "
                    f"than the context of {context}"
                )
        return [list(prompt) for prompt in prompts]


def _since(before: dict[Route, int], after: dict[Route, int]) -> dict[Route, int]:
    return {route: size - before.get(route, 0) for route, size in after.items()}
