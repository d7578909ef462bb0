"""What every system may ask of a language model, and what it is answered.

A back end is any class with these attributes and methods; systems take a `LanguageModel` and do
not know which one they got. Requests come in batches, so that a back end can schedule them as
suits the machine; answers come in the order of the requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, Field

from models.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np

Pooling = Literal["mean", "last"]


class Sampling(BaseModel, frozen=True, extra="forbid"):
    """How completions are drawn: temperature 0 is greedy and the default."""

    max_tokens: int = Field(64, ge=1, description="most new tokens a completion [tokens]")
    temperature: float = Field(0.0, ge=0, description="0 takes the likeliest token every time")
    top_p: float = Field(1.0, gt=0, le=1, description="mass of the nucleus drawn from [0..1]")
    stop: tuple[str, ...] = Field((), description="strings that end a completion, left out of it")
    seed: int = Field(0, ge=0, description="random seed of drawn tokens")


@dataclass(frozen=True)
class Completion:
    """What a model wrote after one prompt."""

    text: str
    tokens: tuple[int, ...]  # ids; empty where the back end does not tell
    logprobs: tuple[float, ...]  # natural logarithm, one a token; empty where not told
    prompt_tokens: int
    completion_tokens: int
    finish: Literal["stop", "length"]


@dataclass(frozen=True)
class Score:
    """How likely a model finds one continuation of one prompt."""

    logprobs: tuple[float, ...]  # log p(token | all before), one a token of the continuation
    greedy: tuple[bool, ...]  # whether the token is the likeliest one at its place
    prompt_tokens: int

    @property
    def total(self) -> float:
        """Log-probability of the whole continuation [nats]."""
        return sum(self.logprobs)


class LanguageModel(Protocol):
    """A model that completes, scores and embeds text.

    Every method raises ValueError for a text longer than the context (saying which, its length and
    the limit), and NotImplementedError where the back end cannot do it.
    """

    name: str  # identifies the weights in tables, e.g. smollm2-135m-instruct
    context: int  # most tokens of prompt and completion together

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        """Completes every prompt."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        """Token log-probabilities of every (prompt, continuation)."""
        ...

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        """States after `layer` (0 the embedding, -1 the last, normalised) for every text.

        Each float32 (L, D).
        """
        ...

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        """One vector a text, its states pooled over the tokens: float32 (B, D)."""
        ...

    def chat_prompt(self, user: str, system: str = "") -> str:
        """The prompt that asks `user` in the model's own chat format; `user` itself without one."""
        ...
