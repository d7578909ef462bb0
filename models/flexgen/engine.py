"""The engine: opens a model's weights under a policy and generates in zig-zag blocks (sec. 4.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import torch

from models.flexgen import streaming
from models.flexgen.batch import Batch, Job, padded
from models.flexgen.block import BlockRun, Parts
from models.flexgen.bucketing import blocks
from models.flexgen.config import Budgets, Policy, Tier
from models.flexgen.counters import Generated, Route
from models.flexgen.embedding import Embedding
from models.flexgen.head import Drawing
from models.flexgen.homes import Homes
from models.flexgen.lanes import Lanes
from models.flexgen.memory import Memory, give_back_freed
from models.flexgen.placement import Placed
from models.flexgen.schedule import zigzag
from models.flexgen.streaming import Streamer
from models.flexgen.weights import WeightFolder
from models.progress import Progress, silent

_THREADS = {streaming.LANE: streaming.THREADS, "cache": 1, "activations": 1}
_LONG_STEP = 0.1  # s: beside one, asking for freed memory takes no time


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

    @property
    def weight_bytes(self) -> dict[Tier, int]:
        """Bytes of weights in every tier, as placed; what is off the device is read every token."""
        return self._parts.homes.bytes_by_tier()

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        eos: frozenset[int] = frozenset(),
        *,
        drawing: Drawing | None = None,
        progress: Progress = silent,
        ended: Callable[[list[int]], bool] = lambda tokens: False,
    ) -> Generated:
        """At most `n` new tokens after every prompt: the likeliest, or what `drawing` draws.

        A sequence stops after a token of `eos`, or when `ended` says so of its new tokens; a block
        stops when all its sequences have. `progress` counts tokens. Raises ValueError for an empty
        prompt and for one that leaves no room for `n` tokens in the context.
        """
        asked = self._checked(prompts, n)
        job = Job(
            n,
            lambda tokens: tokens[-1] in eos or len(tokens) == n or ended(tokens),
            drawing,
        )
        before, busy = self.memory.traffic.snapshot(), dict(self._lanes.busy)
        tokens: list[list[int]] = [[] for _ in asked]
        logprobs: list[list[float]] = [[] for _ in asked]
        seconds = [0.0, 0.0]  # prefill, decoding
        finished = padded_tokens = done = 0
        for batches, times in self._blocks(asked, job):
            size = sum(len(batch.requests) for batch in batches)
            for token, spent in enumerate(times):
                seconds[min(token, 1)] += spent
                progress(done + size * (token + 1), n * len(asked))
            done += size * n
            finished += 1
            for batch in batches:
                padded_tokens += batch.prompt * len(batch.requests)
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
            blocks=finished,
            busy={lane: spent - busy.get(lane, 0) for lane, spent in self._lanes.busy.items()},
        )

    def score(
        self,
        pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
        progress: Progress = silent,
    ) -> list[tuple[list[float], list[bool]]]:
        """Log-probabilities of every continuation's tokens after its prompt, and which are greedy.

        With a compressed cache, keys and values are seen as they would come out of it. Raises
        ValueError for an empty prompt and for a pair longer than the context.
        """
        joined = [[*prompt, *after] for prompt, after in pairs]
        for number, (prompt, _) in enumerate(pairs):
            if not prompt:
                raise ValueError(f"prompt {number} is empty")
        asked = self._checked(joined, 0)
        job = Job(scored=[len(after) for _, after in pairs], quantized=self.policy.compress_cache)
        found: list[tuple[list[float], list[bool]]] = [([], []) for _ in pairs]
        done = 0
        for batches, times in self._blocks(asked, job):
            for _ in times:
                pass
            for batch in batches:
                assert batch.read is not None
                for row, greedy in zip(batch.read[0].tolist(), batch.greedy, strict=True):
                    found[batch.requests[row]][1].append(greedy)
                for row, request in enumerate(batch.requests):
                    found[request][0].extend(batch.logprobs[row])
                done += len(batch.requests)
            progress(done, len(pairs))
        return found

    def states(
        self, texts: Sequence[Sequence[int]], layer: int = -1, progress: Progress = silent
    ) -> list[torch.Tensor]:
        """Hidden states (L, D) after `layer`; 0 is the embedding, -1 the last, normalised.

        Raises ValueError for a layer that the model does not have, and as `generate` does.
        """
        layers = self.weights.shape.layers
        if not -1 <= layer <= layers:
            raise ValueError(f"layer {layer} is not one of -1, 0 (the embedding) .. {layers}")
        found: dict[int, torch.Tensor] = {}
        last = layer in (-1, layers)
        for batches, times in self._blocks(
            self._checked(texts, 0), Job(stop_after=layers if last else layer)
        ):
            for _ in times:
                pass
            for batch in batches:
                assert batch.x is not None
                final = self._parts.homes.final_weights
                x = self.weights.adapter.final(final, batch.x) if last else batch.x
                for row, request in enumerate(batch.requests):
                    found[request] = x[row, -len(texts[request]) :].float()
                batch.x = None
            progress(len(found), len(texts))
        return [found[index] for index in range(len(texts))]

    def _blocks(
        self, sequences: list[list[int]], job: Job
    ) -> Iterator[tuple[list[Batch], Iterator[float]]]:
        """Every block and the seconds of its token steps, which run as they are asked for."""
        lengths = [len(sequence) for sequence in sequences]
        for block in blocks(lengths, self.policy.gbs, self.policy.nb):
            batches = [padded(batch, sequences, job) for batch in block]
            yield batches, self._steps(batches, job)

    def _steps(self, batches: list[Batch], job: Job) -> Iterator[float]:
        layers = len(self._parts.homes.groups) if job.stop_after is None else job.stop_after
        run = BlockRun(self._parts, batches, job)
        try:
            steps = zigzag(job.tokens, layers, len(batches), run) if layers else run.embed()
            while True:
                started = time.perf_counter()
                with torch.no_grad():
                    if next(steps, None) is None:
                        return
                seconds = time.perf_counter() - started
                if seconds > _LONG_STEP:
                    give_back_freed()
                yield seconds
        finally:
            run.close()

    def _checked(self, prompts: Sequence[Sequence[int]], n: int) -> list[list[int]]:
        context = self.weights.shape.context
        for number, prompt in enumerate(prompts):
            if not prompt:
                raise ValueError(f"prompt {number} is empty")
            if len(prompt) + n > context:
                room = f" and {n} new ones" if n else ""
                raise ValueError(
                    f"prompt {number} has {len(prompt):,} tokens{room}, more than the context of "
                    f"{context:,}"
                )
        return [list(prompt) for prompt in prompts]


def _since(before: dict[Route, int], after: dict[Route, int]) -> dict[Route, int]:
    return {route: size - before.get(route, 0) for route, size in after.items()}
