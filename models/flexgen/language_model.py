"""The offload back end: the interface of all language models, over the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.flexgen.config import Budgets, Policy
from models.flexgen.engine import Engine
from models.flexgen.weights import WeightFolder
from models.lm.drawing import Drawing
from models.lm.interface import Completion, Pooling, Sampling, Score
from models.lm.text import TextCodec, cut_at_stop, fit
from models.progress import Progress, silent

if TYPE_CHECKING:
    from models.lm.config import Truncation


class OffloadModel:
    """A decoder that need not fit in memory. Close it: it holds threads, buffers and files."""

    def __init__(
        self, codec: TextCodec, engine: Engine, name: str, truncate: Truncation = "error"
    ) -> None:
        self.name = name
        self.codec, self.engine = codec, engine
        self.context = engine.weights.shape.context
        self._truncate = truncate

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        """Completes every prompt; `progress` counts tokens."""
        room = self.context - sampling.max_tokens
        rows = [
            fit(self.codec.encode(text), room, self._truncate, f"prompt {i} (with the answer)")
            for i, text in enumerate(prompts)
        ]
        made = self.engine.generate(
            rows,
            sampling.max_tokens,
            self.codec.ends,
            drawing=partial(Drawing, sampling) if sampling.temperature else None,
            progress=progress,
            ended=self._stopped(sampling.stop),
        )
        return [
            self._completion(len(row), tokens, logprobs, sampling.stop)
            for row, tokens, logprobs in zip(rows, made.tokens, made.logprobs, strict=True)
        ]

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        """Token log-probabilities of every (prompt, continuation)."""
        rows = []
        for i, (prompt, continuation) in enumerate(pairs):
            ids, begin = self.codec.encode_pair(prompt, continuation)
            room = self.context - (len(ids) - begin)  # one token of the prompt stays, always
            if room < 1:
                raise ValueError(
                    f"continuation {i} has {len(ids) - begin:,} tokens, the context holds "
                    f"{self.context:,} with its prompt"
                )
            kept = fit(ids[:begin], room, self._truncate, f"prompt {i} (with continuation)")
            rows.append((kept, ids[begin:]))
        told = self.engine.score(rows, progress)
        return [
            Score(tuple(logprobs), tuple(greedy), len(prompt))
            for (prompt, _), (logprobs, greedy) in zip(rows, told, strict=True)
        ]

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        """States after `layer` (0 the embedding, -1 the last, normalised), each float32 (L, D)."""
        rows = [
            fit(self.codec.encode(text), self.context, self._truncate, f"text {i}")
            for i, text in enumerate(texts)
        ]
        return [state.numpy() for state in self.engine.states(rows, layer, progress)]

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        """One vector a text, its states pooled over the tokens: float32 (B, D)."""
        vectors = np.empty((len(texts), self.engine.weights.shape.width), np.float32)
        for i, states in enumerate(self.hidden_states(texts, layer, progress)):
            vectors[i] = states.mean(0) if pooling == "mean" else states[-1]
        return vectors

    def chat_prompt(self, user: str, system: str = "") -> str:
        """The prompt that asks `user` in the model's own chat format."""
        return self.codec.chat_prompt(user, system)

    def close(self) -> None:
        """Ends the engine."""
        self.engine.close()

    def _stopped(self, stop: Sequence[str]) -> Callable[[list[int]], bool]:
        def ended(tokens: list[int]) -> bool:
            # Without stop strings nothing is decoded before the end.
            return bool(stop) and cut_at_stop(self.codec.decode(tokens), stop)[1]

        return ended

    def _completion(
        self, prompt_tokens: int, tokens: list[int], logprobs: list[float], stop: Sequence[str]
    ) -> Completion:
        text, stopped = cut_at_stop(self.codec.decode(tokens), stop)
        return Completion(
            text=text,
            tokens=tuple(tokens),
            logprobs=tuple(logprobs),
            prompt_tokens=prompt_tokens,
            completion_tokens=len(tokens),
            finish="stop" if stopped or tokens[-1] in self.codec.ends else "length",
        )


def open_offloaded(
    folder: Path,
    policy: Policy,
    budgets: Budgets,
    name: str = "",
    truncate: Truncation = "error",
) -> OffloadModel:
    """The model in `folder`, under a policy, within the budgets.

    Raises ValueError for a folder that holds no such model and for budgets that are too small.
    """
    codec = TextCodec(folder)
    engine = Engine(WeightFolder(folder), policy, budgets)
    return OffloadModel(codec, engine, name or folder.name, truncate)
