"""Candidates from examples: every example's value must be found again by some candidate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.corpus import Example
from models.evaporate.functions import LabelFunction
from models.evaporate.inducer import candidates, places
from models.evaporate.metrics import text_f1
from models.evaporate.pages import Page

PAGES = {
    "label": ("Name: tide\nVersion: 1.2", "tide"),
    "prefix-of-another-key": ("Author-email: a@b.c\nAuthor: Ada", "Ada"),
    "many-lines": ("License: one\n        two\n        three\nKeywords: x", "one\ntwo\nthree"),
    "metacharacters": ("Cost (in $): [1.50]*+?\n", "[1.50]*+?"),
    "unicode": ("Größe: 3 µm, Žofie\n", "3 µm, Žofie"),
    "crlf": ("Name: tide\r\nVersion: 1.2\r\n", "1.2"),
    "heading": ("A. Number:\n\nk123456\n\nB. Purpose:\n\nnew", "k123456"),
    "underlined-heading": (
        "Title\n=====\n\nSome words\nover lines\n\nEnd",
        "Some words over lines",
    ),
    "in-a-sentence": ("It was written by Ada in 1843.", "Ada"),
    "first-line": ("On Tides\nby Grace", "On Tides"),
    "equals": ("size = 4 m\n", "4 m"),
}


@pytest.mark.parametrize("name", PAGES)
def test_some_candidate_finds_the_value(name: str) -> None:
    text, value = PAGES[name]
    page = Page(text)
    made = candidates([Example(page, value)], limit=100)
    answers = [answer.value for function in made if (answer := function.apply(page))]
    assert max(text_f1(value, answer) for answer in answers) == 1.0


def test_keys_are_not_mistaken_for_longer_ones() -> None:
    page = Page("Author-email: a@b.c\nAuthor: Ada\n")
    made = candidates([Example(page, "Ada")], limit=100)
    assert isinstance(made[0], LabelFunction)
    assert made[0].labels == ("author",)
    assert made[0].apply(page) == ("Ada", 28, 31)


def test_no_values_no_candidates() -> None:
    assert candidates([Example(Page("Name: x"), None)], limit=100) == []
    assert candidates([Example(Page("Name: x"), "not there")], limit=100) == []
    assert candidates([], limit=100) == []


def test_candidates_are_distinct_limited_and_ordered_by_support() -> None:
    examples = [
        Example(Page("Heading\nodd one: a1\nName: x"), "a1"),
        Example(Page("Name: 22\n"), "22"),
        Example(Page("Name: c.3\n"), "c.3"),
    ]
    made = candidates(examples, limit=100)
    assert len(set(made)) == len(made)
    assert candidates(examples, limit=5) == made[:5]
    assert isinstance(made[0], LabelFunction)
    assert made[0].labels == ("name",)


def test_form_of_the_values_is_learned() -> None:
    """The page writes "k123456 (a) and k000001", the examples "K123456; K000001"."""
    page = Page("Numbers: k123456 (a) and k000001, respectively\nNext: x")
    examples = [Example(page, "K123456; K000001"), Example(Page("Numbers: K222222"), "K222222")]
    values = {a.value for f in candidates(examples, 100) if (a := f.apply(page))}
    assert "K123456; K000001" in values


def test_labels_of_one_attribute_are_joined() -> None:
    examples = [
        Example(Page("Maker: Ada\n"), "Ada"),
        Example(Page("Maker: Bob\n"), "Bob"),
        Example(Page("Manufacturer: Cyd\n"), "Cyd"),
    ]
    first = candidates(examples, 100)[0]
    assert isinstance(first, LabelFunction)
    assert first.labels == ("maker", "manufacturer")
    assert [a.value for e in examples if (a := first.apply(e.page))] == ["Ada", "Bob", "Cyd"]


def test_what_follows_a_value_is_cut_off() -> None:
    examples = [Example(Page(f"Area: {n} sq km (2020)\n"), f"{n} sq km") for n in (12, 345)]
    page = Page("Area: 7 sq km (2021)\n")
    values = [a.value for f in candidates(examples, 100) if (a := f.apply(page))]
    assert "7 sq km" in values


def test_path_of_an_html_element_is_learned() -> None:
    examples = [
        Example(Page(f"<html><p>{n}<p>x</p><b class='area'>{n} km</b></html>"), f"{n} km")
        for n in (12, 345)
    ]
    kinds = {f.kind for f in candidates(examples, 240)}
    assert "path" in kinds


def test_values_are_not_found_inside_words() -> None:
    assert [place.start for place in places("12.0.1 v2.0 2.0", "2.0")] == [12]


@given(st.text(), st.text(min_size=1))
def test_any_example_is_accepted(text: str, value: str) -> None:
    page = Page(text)
    for function in candidates([Example(page, value)], limit=40):
        function.apply(page)


@given(st.text(alphabet="ab:= \r\n", max_size=40), st.text(alphabet="ab.", min_size=1, max_size=5))
def test_places_are_where_the_value_stands(text: str, value: str) -> None:
    for place in places(text, value):
        assert text[place.start : place.end] == value
