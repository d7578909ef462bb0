"""Patterns of values: what is learned, what is found, how it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.items import items_of, learn_pattern


def found(values: list[str], text: str, strict: bool = False) -> list[str]:
    pattern = learn_pattern(values, strict)
    return [item.value for item in pattern.find(text, 0, len(text))] if pattern else []


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        pytest.param(
            ["K051072", "K971072; K050234"],
            "k981498 (IgG) and k963289, but not k12345",
            ["K981498", "K963289"],
            id="constant-and-digits",
        ),
        pytest.param(
            ["21 CFR 862.1160; 21 CFR 862.1660", "21 CFR 866.3780"],
            "a 21CFR \u00a7 862.1150, then 864.5220 alone",
            ["21 CFR 862.1150", "21 CFR 864.5220"],
            id="constants-may-lack",
        ),
        pytest.param(
            ["Class II", "Class I; Class II", "Class II", "Class I", "Class I"],
            "device - Class III; Class: I, reserved; class IV",
            ["Class III", "Class I"],
            id="small-alphabet",
        ),
        pytest.param(["LBS", "LSD; DJK"], "LBS, Lipids (JIT) abc", ["LBS", "JIT"], id="codes"),
        pytest.param(["1.2", "10.4"], "1.2.3 and 7.5", ["1.2", "7.5"], id="numbers"),
        pytest.param(["New device", "Old device"], "New device", [], id="words-tell-nothing"),
        pytest.param(["a 1", "b", "c d"], "a 1", [], id="nothing-in-common"),
    ],
)
def test_learned_patterns(values: list[str], text: str, expected: list[str]) -> None:
    assert found(values, text) == expected


def test_strict_patterns_need_their_constants() -> None:
    values = ["21 CFR 862.1160", "21 CFR 866.3780"]
    assert found(values, "864.5220, 21 CFR 866.1000", strict=True) == ["21 CFR 866.1000"]


def test_items_of_a_list() -> None:
    assert items_of("K1; K2;") == ["K1", "K2"]
    assert items_of("75; Chemistry") == ["75", "Chemistry"]
    assert items_of("a;b") == ["a;b"]


@given(st.lists(st.from_regex(r"[A-Z]{2}-[0-9]{3,5}", fullmatch=True), min_size=2, max_size=9))
def test_examples_match_their_own_pattern(values: list[str]) -> None:
    pattern = learn_pattern(values, strict=False)
    if pattern:
        assert [next(pattern.find(value, 0, len(value))).value for value in values] == values
