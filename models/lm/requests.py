"""Requests and answers as text: what a record of them, or a cache, is made of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from models.lm.interface import Completion, Sampling, Score

Kind = Literal["generate", "score"]
_KEY_DIGITS = 32  # 128 bits: no two requests share one by chance


@dataclass(frozen=True)
class Request:
    """One thing asked of a model."""

    kind: Kind
    prompt: str
    parameters: str  # JSON, keys in order: equal requests are equal texts

    def key(self, model: str) -> str:
        """Identity of this request to a model whose answers `model` decides, hexadecimal."""
        text = json.dumps([model, self.kind, self.prompt, self.parameters])
        return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def generation(prompt: str, sampling: Sampling) -> Request:
    """To complete `prompt`. Greedy requests are the same whatever seed and nucleus they name."""
    settings = sampling.model_dump(mode="json")
    if sampling.temperature == 0:
        settings |= {"seed": 0, "top_p": 1.0}
    return Request("generate", prompt, _json(settings))


def scoring(prompt: str, continuation: str) -> Request:
    """To score `continuation` after `prompt`."""
    return Request("score", prompt, _json({"continuation": continuation}))


def to_text(answer: Completion | Score) -> str:
    """An answer as JSON; floats come back as they were."""
    return _json(asdict(answer))


def completion_of(text: str) -> Completion:
    told = json.loads(text)
    return Completion(
        **{**told, "tokens": tuple(told["tokens"]), "logprobs": tuple(told["logprobs"])}
    )


def score_of(text: str) -> Score:
    told = json.loads(text)
    return Score(tuple(told["logprobs"]), tuple(told["greedy"]), told["prompt_tokens"])


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
