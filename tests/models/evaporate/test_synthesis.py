"""A scripted model: chunks chosen, code tidied, values grounded, attributes found and ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from models.evaporate.asking import Asker
from models.evaporate.code import run_functions
from models.evaporate.config import SandboxConfig, SchemaConfig, SynthesisConfig
from models.evaporate.direct import fields_of, grounded, read_table, read_values
from models.evaporate.pages import Page
from models.evaporate.schema import grounded_fields, label_schema, model_schema
from models.evaporate.synthesis import choose_chunks, tidy, write_functions
from models.lm.interface import Completion, Sampling

CHUNKS = ["Name: tide\nMaker: Ada\n", "nothing here\n"]


class Scripted:
    """A model whose answers a function of the prompt decides."""

    name = "scripted"
    context = 10_000

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer

    def generate(self, prompts: Sequence[str], sampling: Sampling, progress=None):
        return [Completion(self.answer(p), (), (), len(p.split()), 1, "stop") for p in prompts]

    def chat_prompt(self, user: str, system: str = "") -> str:
        return user + "\n"


def asker(answer: Callable[[str], str]) -> Asker:
    return Asker(Scripted(answer))


@pytest.mark.parametrize(
    ("attribute", "chosen"),
    [
        ("maker", [0]),
        ("product_code", [2]),
        ("Type of test", [1, 3]),
        ("serial number", [3]),
        ("zebra", []),
    ],
    ids=["name", "spaces-aside", "both-name-it", "some-words", "none"],
)
def test_chunks_are_chosen_by_the_attributes_name(attribute: str, chosen: list[int]) -> None:
    chunks = ["the maker", "type of test", "PRODUCT-CODE", "type of test, number"]
    assert choose_chunks(chunks, attribute, 2) == [chunks[i] for i in chosen]


def test_functions_of_a_model_run_in_the_sandbox() -> None:
    body = '    return re.findall(r"Maker: (.*)", text)\n\nprint(get_maker_field("x"))\n```\nDone.'
    written = write_functions(
        asker(lambda prompt: body), ["maker"], {"d1": CHUNKS}, SynthesisConfig()
    )["maker"]
    assert [(one.template, one.doc_id) for one in written] == [("P_A", "d1"), ("P_B", "d1")]
    assert all("print" not in one.function.source for one in written)
    functions = [one.function for one in written]
    reports = run_functions(functions, [Page(CHUNKS[0])], SandboxConfig())
    assert [[a and a.value for a in report.answers] for report in reports] == [["Ada"], ["Ada"]]


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("def f(text):\n    return [text]\n", "def f(text):\n    return [text]\n"),
        ("def f(t):\n    return [t]\nx = f('", "def f(t):\n    return [t]\n"),
        (
            "def f(text):\n    return re.findall('a', text)\n",
            "import re\n\ndef f(text):\n    return re.findall('a', text)\n",
        ),
        ("import re\nx = 1\n", None),
        ("what a question", None),
        ("", None),
    ],
    ids=["whole", "cut-off", "import-forgotten", "no-function", "prose", "empty"],
)
def test_answers_are_tidied(code: str, kept: str | None) -> None:
    assert tidy(code) == kept


def test_values_are_read_and_must_stand_in_the_text() -> None:
    replies = {"name": " tide", "maker": " maker: Ada", "price": " 7 crowns", "colour": " NONE"}
    ask = asker(lambda p: next(r for name, r in replies.items() if p.endswith(f"{name}:")))
    chunks = ["Name: tide\nMaker: Ada\nprice colour\n"]
    values = read_values(ask, list(replies), chunks, SynthesisConfig())
    assert values == {"name": "tide", "maker": "Ada", "price": None, "colour": None}


def test_direct_takes_the_value_of_most_chunks() -> None:
    ask = asker(lambda p: "- Name: tide\n- Maker: Ada" if "nothing" not in p else "Name: nothing")
    table = read_table(ask, ["name", "maker"], [CHUNKS[0], CHUNKS[1], CHUNKS[0]], 50)
    assert table == {"name": "tide", "maker": "Ada"}
    assert len(ask.calls) == 3


@pytest.mark.parametrize(
    "line", ["- a: b", "* a: b", "1. a: b", "12) a: b", "a: b", '"a": "b"', "**a**: b", "  • a: b"]
)
def test_every_form_of_list(line: str) -> None:
    assert fields_of(f"Here you are\n{line}\n") == [("a", "b")]


def test_grounding() -> None:
    assert grounded('"Ada"', "maker", "by Ada") == "Ada"
    assert grounded("Bob", "maker", "by Ada") is None
    assert grounded("none.", "maker", "none.") is None
    assert grounded_fields("Name: x\n- Price: 7\n- name: y", CHUNKS[0]) == [("name", "x")]


def test_schema_of_a_model_is_ranked_by_votes_and_frequency() -> None:
    def answer(prompt: str) -> str:
        if "most useful columns" in prompt:
            return " Maker\n- unknown"
        return " name: tide\n- maker: Ada\n- age: 7"

    ask = asker(answer)
    samples = [CHUNKS, [CHUNKS[0]], [CHUNKS[0]]]
    assert model_schema(ask, samples, "boats", SchemaConfig()) == ["maker", "name"]
    steps = [call.step for call in ask.calls]
    assert steps.count("ranking") == 3  # one attribute is left for the second round


def test_schema_without_a_model_is_what_pages_share() -> None:
    pages = [Page(f"1. Boat name: {n}\nMaker(s): Ada\nOdd{n}: x\n") for n in range(3)]
    assert label_schema(pages, SchemaConfig()) == ["Boat name", "Maker(s)"]
    assert label_schema([], SchemaConfig()) == []
