"""Asking: what is recorded is not asked again, replay needs no model, the ledger counts all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.evaporate.asking import Asker, Call, Question
from models.lm.interface import Completion, Sampling

SAMPLING = Sampling(max_tokens=8)


class Echo:
    """A model that answers with the prompt's last word."""

    name = "echo"
    context = 100

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(self, prompts: Sequence[str], sampling: Sampling, progress=None):
        self.prompts += prompts
        return [
            Completion(p.split()[-1], (), (), len(p.split()), sampling.max_tokens, "stop")
            for p in prompts
        ]

    def chat_prompt(self, user: str, system: str = "") -> str:
        return f"[user] {user} [model] "


def test_answers_come_in_order_and_are_told_once() -> None:
    model, kept = Echo(), []
    asker = Asker(model, keep=kept.append)
    questions = [Question("one"), Question("two", "so:"), Question("one")]
    assert asker.ask("first", questions, SAMPLING) == ["[model]", "so:", "[model]"]
    assert model.prompts == ["[user] one [model] ", "[user] two [model] so:"]
    assert len(kept) == 2
    assert asker.tokens("first") == (3 + 4 + 3, 24)
    assert asker.tokens("second") == (0, 0)


def test_replay_answers_without_a_model_and_costs_the_same() -> None:
    kept: list[Call] = []
    first = Asker(Echo(), keep=kept.append)
    first.ask("a", [Question("one"), Question("two")], SAMPLING)
    replay = Asker(None, [Call.model_validate_json(call.model_dump_json()) for call in kept])
    assert replay.name == "echo"
    assert replay.ask("a", [Question("two"), Question("one")], SAMPLING) == ["[model]", "[model]"]
    assert replay.tokens() == first.tokens()


@pytest.mark.parametrize(
    ("question", "sampling"),
    [
        (Question("three"), SAMPLING),
        (Question("one", "so:"), SAMPLING),
        (Question("one"), Sampling(max_tokens=9)),
    ],
    ids=["words", "opening", "sampling"],
)
def test_another_question_has_no_recorded_answer(question: Question, sampling: Sampling) -> None:
    kept: list[Call] = []
    Asker(Echo(), keep=kept.append).ask("a", [Question("one")], SAMPLING)
    with pytest.raises(ValueError, match="no recorded answer of echo"):
        Asker(None, kept).ask("a", [question], sampling)


def test_replay_needs_records_of_one_model() -> None:
    with pytest.raises(ValueError, match="recorded answers of one model are needed"):
        Asker(None)
