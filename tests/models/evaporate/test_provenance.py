"""Values are traced to where they stand, or are no values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.pages import Page
from models.evaporate.provenance import locate, trace

TEXT = "Name: Ada\nOld name:  Ada  Park\nAge: 41, not 4\n"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("Ada", "Ada", id="verbatim"),
        pytest.param("4", "4", id="whole-words-first"),
        pytest.param("Ad", "Ad", id="else-within-a-word"),
        pytest.param("ada park", "Ada  Park", id="spaces-and-case"),
        pytest.param("Ada Lovelace", None, id="made-up"),
        pytest.param("", "", id="empty"),
    ],
)
def test_where_a_value_stands(value: str, found: str | None) -> None:
    span = locate(TEXT, value)
    assert (None if span is None else TEXT[slice(*span)]) == found
    if value == "4":
        assert span is not None
        assert span[0] == TEXT.rindex("4")


def test_several_values_span_all_of_them() -> None:
    answer = trace(Page(TEXT), ["41", "no such", "Ada"])
    assert answer is not None
    assert answer.value == "41; Ada"
    assert TEXT[answer.start : answer.end].startswith("Ada")
    assert TEXT[answer.start : answer.end].endswith("41")
    assert trace(Page(TEXT), ["no such"]) is None


def test_spans_are_those_of_the_source() -> None:
    source = "<html><body><p>Caf&eacute; <b>Lima</b></p></body></html>"
    answer = trace(Page(source), ["Café Lima"])
    assert answer is not None
    assert source[answer.start : answer.end] == "Caf&eacute; <b>Lima"


@given(st.text(alphabet="ab \n", max_size=60), st.integers(0, 50), st.integers(1, 9))
def test_every_part_of_a_text_is_found(text: str, start: int, size: int) -> None:
    value = text[start : start + size]
    span = locate(text, value)
    assert span is not None
    assert text[slice(*span)] == value
