"""Asking a language model, with every answer recorded, so that a run can be replayed without one.

A question is known by its words, not by a chat format, so that recorded answers serve on machines
that have no model. The calls are the ledger: what a strategy cost is the sum over its calls,
retries and empty answers included, whether they were asked now or earlier.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from models.lm.interface import LanguageModel, Sampling
from models.progress import Progress, silent


class Question(NamedTuple):
    """What a model is asked; `opening` is the start of its answer, put in its mouth."""

    user: str
    opening: str = ""


class Call(BaseModel, frozen=True, extra="forbid"):
    """One question and its answer, as recorded."""

    step: str
    model: str
    key: str  # of the question, its sampling and the model
    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float | None = None  # the answer took; null in records without it


class Tokens(NamedTuple):
    """What was asked and answered [tokens]."""

    prompt: int
    completion: int

    @property
    def total(self) -> int:
        return self.prompt + self.completion


class Asker:
    """A model with a memory, or the memory alone.

    records: calls of earlier runs; a question that is among them is not asked again.
    keep: is told every new call, as soon as it is answered.
    """

    def __init__(
        self,
        model: LanguageModel | None,
        records: Iterable[Call] = (),
        keep: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self._model = model
        self._known = {(call.key): call for call in records}
        names = {call.model for call in self._known.values()}
        if model is None and len(names) != 1:
            raise ValueError(
                f"without a model, recorded answers of one model are needed; these are of {names}"
            )
        self.name = model.name if model is not None else names.pop()
        self._keep = keep
        self.calls: list[Call] = []

    def ask(
        self,
        step: str,
        questions: Sequence[Question],
        sampling: Sampling,
        progress: Progress = silent,
    ) -> list[str]:
        """The answers, without their openings.

        Raises ValueError if there is no model and a question has no recorded answer.
        """
        answers = []
        for done, question in enumerate(questions):
            progress(done, len(questions))
            key = _key(self.name, question, sampling)
            call = self._known.get(key) or self._answered(step, key, question, sampling)
            self.calls.append(call.model_copy(update={"step": step}))
            answers.append(call.text)
        progress(len(questions), len(questions))
        return answers

    def tokens(self, step: str | None = None) -> Tokens:
        """Sum over the calls of one step, or of all."""
        calls = [call for call in self.calls if step is None or call.step == step]
        return Tokens(
            sum(call.prompt_tokens for call in calls), sum(call.completion_tokens for call in calls)
        )

    def _answered(self, step: str, key: str, question: Question, sampling: Sampling) -> Call:
        if self._model is None:
            raise ValueError(
                f"no recorded answer of {self.name} to this question of step {step!r}: "
                f"{question.user[-120:]!r}; run with the model to record it"
            )
        prompt = self._model.chat_prompt(question.user) + question.opening
        started = time.perf_counter()
        answer = self._model.generate([prompt], sampling)[0]
        call = Call(
            step=step,
            model=self.name,
            key=key,
            text=answer.text,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            seconds=time.perf_counter() - started,
        )
        self._known[key] = call
        self._keep(call)
        return call


def _key(model: str, question: Question, sampling: Sampling) -> str:
    words = json.dumps([model, *question, sampling.model_dump()], ensure_ascii=False)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:24]
