"""A model's answers kept in a file, and a model that answers from such a file and nothing else.

The file is JSON lines: first {"model", "context"}, then a line a request with its answer. It
stands in for a model that is not at hand: a paid server, or one too large for a test machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.lm.interface import Completion, LanguageModel, Pooling, Sampling, Score
from models.lm.requests import (
    Request,
    completion_of,
    generation,
    score_of,
    scoring,
    to_text,
)
from models.lm.text import excerpt
from models.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np


class Recorder:
    """A model whose completions, scores and chat prompts are also written to `path`."""

    def __init__(self, model: LanguageModel, path: Path) -> None:
        """Goes on in a file that is there; raises ValueError if that is another model's."""
        self.name, self.context = model.name, model.context
        self._model, self._path = model, path
        if path.exists():
            head = _read(path)[0]
            if head["model"] != model.name:
                raise ValueError(f"{path} holds answers of {head['model']}, not {model.name}")
        else:
            self._append([{"model": model.name, "context": model.context}])

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        answers = self._model.generate(prompts, sampling, progress)
        requests = [generation(prompt, sampling) for prompt in prompts]
        self._keep(requests, [to_text(answer) for answer in answers])
        return answers

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        answers = self._model.score(pairs, progress)
        self._keep([scoring(*pair) for pair in pairs], [to_text(answer) for answer in answers])
        return answers

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        """Not recorded: arrays are no matter for a text file."""
        return self._model.hidden_states(texts, layer, progress)

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        """Not recorded, as hidden states are not."""
        return self._model.embed(texts, layer, pooling, progress)

    def chat_prompt(self, user: str, system: str = "") -> str:
        prompt = self._model.chat_prompt(user, system)
        self._append([_chat(user, system) | {"answer": prompt}])
        return prompt

    def _keep(self, requests: Sequence[Request], answers: Sequence[str]) -> None:
        self._append(
            [
                vars(request) | {"answer": answer}
                for request, answer in zip(requests, answers, strict=True)
            ]
        )

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


class Replay:
    """Answers from a file that a Recorder wrote. Raises ValueError for what it does not hold."""

    def __init__(self, path: Path) -> None:
        head, *lines = _read(path)
        self.name: str = head["model"]
        self.context: int = head["context"]
        self._path = path
        self._answers = {_identity(line): str(line["answer"]) for line in lines}

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        answers = [completion_of(self._answer(vars(generation(p, sampling)))) for p in prompts]
        progress(len(answers), len(answers))
        return answers

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        answers = [score_of(self._answer(vars(scoring(*pair)))) for pair in pairs]
        progress(len(answers), len(answers))
        return answers

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        raise NotImplementedError("hidden states are not recorded")

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        raise NotImplementedError("embeddings are not recorded")

    def chat_prompt(self, user: str, system: str = "") -> str:
        return self._answer(_chat(user, system))

    def _answer(self, request: dict[str, Any]) -> str:
        answer = self._answers.get(_identity(request))
        if answer is None:
            asked = f"{request['kind']} {excerpt(request['prompt'])} with {request['parameters']}"
            raise ValueError(f"{self._path} holds no answer to {asked}: record it with a Recorder")
        return answer


def _chat(user: str, system: str) -> dict[str, Any]:
    return {"kind": "chat", "prompt": user, "parameters": json.dumps({"system": system})}


def _identity(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["kind"], line["prompt"], line["parameters"]


def _read(path: Path) -> list[dict[str, Any]]:
    """The file's lines, the head first. Raises ValueError naming the line that is not as it was."""
    try:
        texts = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"no recorded answers at {path}: {error.strerror}") from error
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            wanted = ("model", "context") if number == 1 else ("kind", "prompt", "parameters")
            if not all(name in line for name in wanted):
                raise ValueError(f"it lacks one of {', '.join(wanted)}")
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number} is no recorded request ({error})") from error
        lines.append(line)
    if not lines:
        raise ValueError(f"{path} is empty: it holds no recorded answers")
    return lines
