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
    LabelFunction,
    LineFunction,
    PathFunction,
    ShapeFunction,
    Trim,
    parse_function,
)
from models.evaporate.items import ItemPattern, Run, learn_pattern
from models.evaporate.pages import Page

HEADERS = """Name: tide
Author: Ada
  and Grace
Author-email: Ada <ada@example.org>
License:

Author: in the body
License: MIT

Purpose
=======

To measure
the tide.

The end"""

SUMMARY = """A. 510(k) Number: k050613
# B. Purpose for Submission:

New device
over two lines
C. Measurand:

# Carbon dioxide

G. Regulatory Information:
<table><tr><td>Product Code</td><td>Panel</td></tr>
<tr><td>LAF, DLJ</td><td>Toxicology (91)</td></tr></table>
2. Predicate 510(k) number(s): k981498 (IgG)
and k963289
3. Comparison with predicate:
same"""

PAGE = """<html><body><h1>Peru</h1><dl><dt>Capital</dt><dd class="capital">Lima</dd>
<dt>Area &amp; land</dt><dd>1,285,216 sq km</dd></dl>
<table><tr><th>Languages</th><td>Spanish</td><td>Quechua</td></tr></table></body></html>"""

NUMBER = ItemPattern(
    runs=(Run(kind="constant", text="K"), Run(kind="digits", low=6, high=6)), strict=False
)


def label(*names: str, **changes: object) -> LabelFunction:
    fields = {"labels": names, "extent": "folded"}
    return LabelFunction.model_validate(fields | changes)


def value(function: AnyFunction, text: str) -> str | None:
    answer = function.apply(Page(text))
    return answer.value if answer else None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(label("author"), "Ada and Grace", id="folded"),
        pytest.param(label("author", extent="line"), "Ada", id="line"),
        pytest.param(label("author", pick="last"), "in the body", id="last"),
        pytest.param(
            label("author", pick="last", scope="head"), "Ada and Grace", id="last-in-head"
        ),
        pytest.param(label("license"), "MIT", id="empty-one-is-passed-over"),
        pytest.param(label("license", scope="head"), None, id="empty-in-head"),
        pytest.param(label("authoremail"), "Ada <ada@example.org>", id="address-is-no-tag"),
        pytest.param(label("writer", "author"), "Ada and Grace", id="second-label"),
        pytest.param(label("writer"), None, id="no-such-label"),
        pytest.param(
            label("purpose", extent="paragraph"), "To measure the tide.", id="underlined-heading"
        ),
        pytest.param(BetweenFunction(prefix="ada@", suffix=">"), "example.org", id="between"),
        pytest.param(BetweenFunction(prefix="ada@", suffix=None), "example.org>", id="to-line-end"),
        pytest.param(LineFunction(number=2), "Author: Ada", id="line-number"),
        pytest.param(LineFunction(number=20), None, id="no-such-line"),
        pytest.param(
            LineFunction(number=4, trim=Trim(after="<", until="@")), "ada", id="after-and-until"
        ),
    ],
)
def test_plain_text(function: AnyFunction, expected: str | None) -> None:
    assert value(function, HEADERS) == expected
    assert value(function, HEADERS.replace("\n", "\r\n")) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(label("510knumber", extent="line"), "k050613", id="numbered-label"),
        pytest.param(
            label("510knumber", extent="line", trim=Trim(item=NUMBER)), "K050613", id="as-gold-is"
        ),
        pytest.param(
            label("purposeforsubmission", extent="section"),
            "New device over two lines",
            id="section-stops-at-next-heading",
        ),
        pytest.param(
            label("measurand", extent="section"), "Carbon dioxide", id="heading-below-is-the-value"
        ),
        pytest.param(label("productcode", extent="line"), "LAF, DLJ", id="table-column"),
        pytest.param(
            label("predicate510knumber", extent="section", trim=Trim(item=NUMBER)),
            "K981498; K963289",
            id="all-items",
        ),
        pytest.param(
            label("predicate510knumber", extent="section", trim=Trim(item=NUMBER, take="first")),
            "K981498",
            id="first-item",
        ),
        pytest.param(label("predicate510k", near=True, extent="line"), "k981498 (IgG)", id="near"),
        pytest.param(ShapeFunction(trim=Trim(item=NUMBER)), "K050613", id="shape"),
        pytest.param(ShapeFunction(trim=Trim(item=NUMBER), pick="last"), "K963289", id="last"),
        pytest.param(ShapeFunction(), None, id="shape-without-a-pattern"),
    ],
)
def test_sections_and_items(function: AnyFunction, expected: str | None) -> None:
    assert value(function, SUMMARY) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(label("capital", extent="line"), "Lima", id="next-element"),
        pytest.param(label("arealand", extent="line"), "1,285,216 sq km", id="entity-in-label"),
        pytest.param(label("language", extent="section"), "Spanish Quechua", id="to-next-heading"),
        pytest.param(PathFunction(path="dl>dd.capital", number=0), "Lima", id="path"),
        pytest.param(PathFunction(path="tr>td"), "Spanish; Quechua", id="all-of-a-path"),
        pytest.param(PathFunction(path="tr>td", number=1), "Quechua", id="second-of-a-path"),
        pytest.param(PathFunction(path="tr>td", number=7), None, id="no-such-element"),
    ],
)
def test_html(function: AnyFunction, expected: str | None) -> None:
    assert value(function, PAGE) == expected


def test_answers_are_traced_to_the_source() -> None:
    text = "1. Regulation section: 21 CFR $\\ S 8 6 6 . 5 6 3 0$ , a test\n"
    pattern = learn_pattern(["21 CFR 862.1160", "21 CFR 866.3780"], strict=False)
    found = label("regulationsection", trim=Trim(item=pattern)).apply(Page(text))
    assert found is not None
    assert found.value == "21 CFR 866.5630"
    assert text[found.start : found.end] == "21 CFR $\\ S 8 6 6 . 5 6 3 0$"


@given(st.text(), st.text(min_size=1, max_size=8), st.sampled_from(["first", "last"]))
def test_plain_values_stand_where_they_say(text: str, prefix: str, pick: str) -> None:
    page = Page(text)
    for function in (
        BetweenFunction.model_validate({"prefix": prefix, "suffix": None, "pick": pick}),
        LineFunction(number=1),
        label("a", extent="section", pick=pick),
    ):
        answer = function.apply(page)
        if answer and page.text == text:
            assert " ".join(text[answer.start : answer.end].split()) == answer.value


def test_json_round_trip_keeps_the_function_and_its_name() -> None:
    for function in (
        label("author", trim=Trim(item=NUMBER, take="leading")),
        PathFunction(path="dl>dd", number=1),
        BetweenFunction(prefix="a", suffix="b"),
        ShapeFunction(trim=Trim(item=NUMBER)),
        LineFunction(number=3),
    ):
        parsed = parse_function(function.model_dump_json())
        assert parsed == function
        assert parsed.function_id == function.function_id
        assert re.fullmatch(r"[a-z]+-[0-9a-f]{10}", function.function_id)


@pytest.mark.parametrize(
    "spec",
    ['{"kind": "label", "labels": [], "extent": "line"}', '{"kind": "eval"}', '{"kind": "line"}'],
    ids=["no-label", "no-such-kind", "field-missing"],
)
def test_wrong_specs_are_refused(spec: str) -> None:
    with pytest.raises(ValidationError):
        parse_function(spec)


BAD_TEXTS = {
    "one-line": "a: " + "x" * 2_000_000,
    "empty-lines": "\n" * 500_000,
    "labels": "a:\n" * 200_000,
    "blank-labels": "a: \n" + " " * 1_000_000,
    "headings": "# a\n" * 200_000,
    "dollars": "$ " * 500_000,
    "open-tags": "<html>" + "<td>" * 200_000,
    "brackets": "<" * 1_000_000,
    "html-brackets": "<html>" + "<" * 1_000_000,
    "comments": "<html>" + "<!--" * 200_000,
    "entities": "<html>" + "&amp;" * 200_000,
    "digits": "1" * 1_000_000,
    "cells": "<table><tr><td>a" * 50_000,
    "commands": "$" + "\\mu " * 90 + "$" + "$\\" * 300_000,
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_no_text_takes_long(name: str) -> None:
    """About a megabyte each; an ordinary page of that size takes a tenth of a second."""
    started = time.process_time()
    page = Page(BAD_TEXTS[name])
    for function in (
        label("a", extent="section", near=True),
        label("a", extent="lead", pick="last"),
        label("a", extent="paragraph", trim=Trim(item=NUMBER)),
        PathFunction(path="html", trim=Trim(item=NUMBER)),
        BetweenFunction(prefix="a", suffix="b"),
        ShapeFunction(trim=Trim(item=NUMBER)),
        LineFunction(number=20),
    ):
        function.apply(page)
    assert time.process_time() - started < 5.0
