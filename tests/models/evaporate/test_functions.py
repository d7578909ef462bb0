"""Extraction functions: what each kind finds, provenance on any text, speed on bad text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.evaporate.functions import (
    AnyFunction,
    BetweenFunction,
    HeadingFunction,
    LabelFunction,
    LineFunction,
    Page,
    ShapeFunction,
    parse_function,
    shape_of,
)

HEADERS = """Name: tide
Author: Ada
  and Grace
Author-email: ada@example.org
License:

Author: in the body
License: MIT

Purpose
=======

To measure
the tide.

The end"""


def label(name: str, **changes: object) -> LabelFunction:
    fields = {"label": name, "separator": ":", "extent": "folded", "ignore_case": False}
    return LabelFunction.model_validate(fields | changes)


def value(function: AnyFunction, text: str) -> str | None:
    answer = function.apply(Page(text))
    return answer.value if answer else None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(label("Author"), "Ada\n  and Grace", id="label-folded"),
        pytest.param(label("Author", extent="line"), "Ada", id="label-line"),
        pytest.param(label("Author", pick="last"), "in the body", id="label-last"),
        pytest.param(
            label("Author", pick="last", scope="head"), "Ada\n  and Grace", id="label-last-in-head"
        ),
        pytest.param(label("author"), None, id="label-case-matters"),
        pytest.param(label("NAME", ignore_case=True), "tide", id="label-any-case"),
        pytest.param(label("License"), "MIT", id="blank-value-is-passed-over"),
        pytest.param(label("License", scope="head"), None, id="blank-value-alone"),
        pytest.param(
            HeadingFunction(heading="Purpose", extent="paragraph"),
            "To measure\nthe tide.",
            id="heading-paragraph",
        ),
        pytest.param(HeadingFunction(heading="Purpose", extent="line"), "To measure", id="heading"),
        pytest.param(BetweenFunction(prefix="ada@", suffix="."), "example", id="between"),
        pytest.param(BetweenFunction(prefix="ada@", suffix=None), "example.org", id="to-line-end"),
        pytest.param(BetweenFunction(prefix="ada@", suffix="!"), None, id="no-suffix-no-value"),
        pytest.param(LineFunction(number=4, after=":"), "ada@example.org", id="line-after"),
        pytest.param(LineFunction(number=20, after=None), None, id="no-such-line"),
        pytest.param(ShapeFunction(shape="a@a.a"), "ada@example.org", id="shape"),
    ],
)
def test_what_is_found(function: AnyFunction, expected: str | None) -> None:
    assert value(function, HEADERS) == expected


@pytest.mark.parametrize("pick", ["first", "last"])
def test_carriage_returns_stay_out_of_values(pick: str) -> None:
    text = "Name: tide\r\nPurpose\r\n\r\nTo measure\r\n\r\nName: no\r\n"
    assert value(label("Name", scope="head", pick=pick), text) == "tide"
    assert value(HeadingFunction(heading="Purpose", extent="paragraph"), text) == "To measure"


def test_a_heading_may_follow_on_itself() -> None:
    heading = HeadingFunction(heading="A", extent="line", pick="last")
    assert value(heading, "A\nA\nred") == "red"


@given(
    st.text(alphabet="ab: \t\r\n", max_size=40),
    st.sampled_from(["a", "ab", "b a"]),
    st.booleans(),
)
def test_line_starts_are_those_of_the_caret(text: str, name: str, ignore_case: bool) -> None:
    function = label(name, ignore_case=ignore_case)
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    reference = re.finditer(f"^{function.anchor.pattern}", text, flags)
    found = function.matches(text, len(text))
    assert [match.end() for match in found] == [match.end() for match in reference]


def test_labels_are_literals_not_patterns() -> None:
    text = "510(k) Number*: k1\nCost [$]: 2"
    assert value(label("510(k) Number*"), text) == "k1"
    assert value(label("Cost [$]"), text) == "2"
    assert value(label(".*"), text) is None


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("2.14.3", "9.9.9"),
        (">=3.8,<4", ">=9.9,<9"),
        ("BSD-3-Clause", "a-9-a"),
        ("Žofie  K", "a a"),
        ("...", "..."),
    ],
)
def test_shapes(text: str, shape: str) -> None:
    assert shape_of(text) == shape
    assert value(ShapeFunction(shape=shape), f"({text})") == text


def test_shape_is_not_found_inside_words() -> None:
    assert value(ShapeFunction(shape="9.9"), "v1.2 1.2b 3.4") == "3.4"


FUNCTIONS = st.one_of(
    st.builds(
        LabelFunction,
        label=st.text(min_size=1, max_size=3),
        separator=st.sampled_from(":=|"),
        extent=st.sampled_from(["line", "folded"]),
        ignore_case=st.booleans(),
        scope=st.sampled_from(["head", "document"]),
        pick=st.sampled_from(["first", "last"]),
    ),
    st.builds(
        HeadingFunction,
        heading=st.text(min_size=1, max_size=2),
        extent=st.sampled_from(["line", "paragraph"]),
        pick=st.sampled_from(["first", "last"]),
    ),
    st.builds(
        BetweenFunction,
        prefix=st.text(min_size=1, max_size=2),
        suffix=st.none() | st.text(min_size=1, max_size=2),
        scope=st.sampled_from(["head", "document"]),
    ),
    st.builds(ShapeFunction, shape=st.text(min_size=1, max_size=4).map(shape_of)),
    st.builds(
        LineFunction, number=st.integers(1, 20), after=st.none() | st.text(min_size=1, max_size=1)
    ),
)
# Few letters, so that functions often find something.
TEXTS = st.text() | st.text(alphabet="aA1:=| .\t\r\n\x85\xa0²ß", max_size=60)


@given(FUNCTIONS, TEXTS)
def test_a_value_is_its_span_of_the_text(function: AnyFunction, text: str) -> None:
    answer = function.apply(Page(text))
    if answer is not None:
        assert answer.value == text[answer.start : answer.end]
        assert answer.value == answer.value.strip() != ""


@given(FUNCTIONS)
def test_json_round_trip(function: AnyFunction) -> None:
    again = parse_function(function.model_dump_json())
    assert again == function
    assert again.function_id == function.function_id


@pytest.mark.parametrize(
    "spec",
    [
        '{"kind": "python", "code": "1"}',
        '{"kind": "shape", "shape": ""}',
        '{"kind": "shape", "shape": "9", "extra": 1}',
        "not json",
    ],
)
def test_bad_specifications_are_refused(spec: str) -> None:
    with pytest.raises(ValidationError):
        parse_function(spec)


MILLION = 1_000_000
PATHOLOGICAL = {
    "one-letter": "a" * MILLION,
    "digits": "1" * MILLION,
    "spaces": " " * MILLION,
    "empty-lines": "\n" * MILLION,
    "superscripts": "a" + "²" * MILLION,
    "labels-on-one-line": "ab: " * (MILLION // 4),
    "labels-without-values": "ab:\n" * (MILLION // 4),
    "headings": "ab\n" * (MILLION // 3),
    "rules-below-a-heading": "ab\n" + "= " * (MILLION // 2),
    "prefixes": "a." * (MILLION // 2),
    "indented-lines": "ab: x" + "\n y" * (MILLION // 3),
    "blank-gaps": "a" + " " * (MILLION - 2) + "z",
}
VOTERS = [
    label("ab", ignore_case=True),
    label("ab", pick="last"),
    label("z", separator="="),
    HeadingFunction(heading="ab", extent="paragraph"),
    HeadingFunction(heading="ab", extent="paragraph", pick="last", scope="head"),
    BetweenFunction(prefix="a", suffix="z"),
    BetweenFunction(prefix=" ", suffix="z", pick="last"),
    BetweenFunction(prefix=" ", suffix="z"),
    BetweenFunction(prefix="a", suffix=None, pick="last"),
    ShapeFunction(shape="a.a.a.a!"),
    ShapeFunction(shape="9a9a9a9!"),
    ShapeFunction(shape="a²a²a²a²a!"),
    LineFunction(number=20, after="q"),
]


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_a_megabyte_of_bad_text_is_read_fast(name: str) -> None:
    page = Page(PATHOLOGICAL[name])
    for function in VOTERS:
        start = time.perf_counter()
        function.apply(page)
        assert time.perf_counter() - start < 2.0, function
