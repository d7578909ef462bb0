"""Text F1, exact match and Pair F1 against cases worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.metrics import exact_match, pair, pair_f1, text_f1, tokens

VALUES = st.none() | st.text(min_size=1)


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        pytest.param(None, None, 1.0, id="both-empty"),
        pytest.param("MIT", None, 0.0, id="nothing-found"),
        pytest.param(None, "MIT", 0.0, id="nothing-there"),
        pytest.param("The MIT License", "mit license.", 1.0, id="case-article-punctuation"),
        pytest.param("Apache License 2.0", "Apache License", 0.8, id="2-of-3"),
        pytest.param("red red blue", "red blue blue", 2 / 3, id="bags-not-sets"),
        pytest.param("web,http;async", "async, http, web", 1.0, id="lists-free-of-order"),
        pytest.param("*", "*", 1.0, id="punctuation-alone-is-a-word"),
        pytest.param("*", "-", 0.0, id="punctuation-alone-is-not-empty"),
        pytest.param("The", None, 0.0, id="article-alone-is-not-empty"),
        pytest.param("Žofie", "žofie", 1.0, id="unicode"),
    ],
)
def test_text_f1(gold: str | None, predicted: str | None, expected: float) -> None:
    assert text_f1(gold, predicted) == pytest.approx(expected)


@given(VALUES, VALUES)
def test_text_f1_is_symmetric_and_bounded(a: str | None, b: str | None) -> None:
    assert 0.0 <= text_f1(a, b) <= 1.0
    assert text_f1(a, b) == text_f1(b, a)
    assert text_f1(a, a) == 1.0


@given(st.text(min_size=1))
def test_only_none_has_no_words(value: str) -> None:
    assert tokens(value)
    assert tokens(None) == []


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        pytest.param("a  b\n c", "a b c", 1.0, id="white-space-aside"),
        pytest.param(">=3.8", "<=3.8", 0.0, id="punctuation-counts"),
        pytest.param("MIT", "mit", 0.0, id="case-counts"),
        pytest.param(None, None, 1.0, id="both-empty"),
    ],
)
def test_exact_match(gold: str | None, predicted: str | None, expected: float) -> None:
    assert exact_match(gold, predicted) == expected


def test_pair_f1_by_hand() -> None:
    gold = {pair("d1", "Name", "Tidal Pool"), pair("d1", "Version", "1.0"), pair("d2", "Name", "x")}
    predicted = {pair("d1", "Name", "tidal-pool"), pair("d2", "Name", "y")}
    score = pair_f1(gold, predicted)
    assert score.precision == pytest.approx(1 / 2)
    assert score.recall == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 / 5)


def test_pair_f1_of_nothing() -> None:
    some = {pair("d", "a", "v")}
    assert pair_f1(set(), set()) == (1.0, 1.0, 1.0)
    assert pair_f1(some, set()) == (0.0, 0.0, 0.0)
    assert pair_f1(set(), some) == (0.0, 0.0, 0.0)
