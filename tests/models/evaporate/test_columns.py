"""Typed columns: what strings are taken for, and what does not fit."""

from datetime import date

import pytest

from models.evaporate.columns import column_names, convert, infer_kind, slug, wide_row


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        pytest.param(["1", "2", "-30"], "integer", id="integers"),
        pytest.param(["1,000", "12"], "integer", id="thousands"),
        pytest.param(["1", "2.5"], "number", id="numbers"),
        pytest.param(["007", "012"], "text", id="codes-are-no-numbers"),
        pytest.param(["2024-01-31", "1 May 2020", "May 3, 2021"], "date", id="dates"),
        pytest.param(["01/02/2003"], "text", id="day-or-month"),
        pytest.param(["a; b", "c; d", "e"], "list", id="lists"),
        pytest.param(["a; b", "c", "d", "e"], "text", id="few-semicolons"),
        pytest.param(["1"] * 19 + ["x"], "integer", id="nearly-all"),
        pytest.param(["1"] * 9 + ["x"], "text", id="too-many-others"),
        pytest.param([], "text", id="none"),
        pytest.param(["9" * 30], "text", id="too-long-for-64-bits"),
    ],
)
def test_the_kind_of_a_column(values: list[str], kind: str) -> None:
    assert infer_kind(values) == kind


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (" 1,234 ", "integer", 1234),
        ("x", "integer", None),
        ("-0.5", "number", -0.5),
        ("2024-02-30", "date", None),
        ("3 Mar 2024", "date", date(2024, 3, 3)),
        ("a; b; ", "list", ["a", "b"]),
        (" a ", "text", " a "),
    ],
)
def test_values_become_of_their_kind(value: str, kind: str, expected: object) -> None:
    assert convert(value, kind) == expected  # type: ignore[arg-type]


def test_names_are_plain_and_different() -> None:
    names = column_names(["510(k) No.", "Doc ID", "doc-id", "§"], taken=("doc_id",))
    assert list(names.values()) == ["_510_k_no", "doc_id_2", "doc_id_3", "column"]
    assert slug("  FDA 510(k): summaries ") == "fda_510_k_summaries"


def test_a_row_has_every_attribute() -> None:
    assert wide_row({"a": "1", "b": None}, {"a": "integer", "b": "text", "c": "date"}) == {
        "a": 1,
        "b": None,
        "c": None,
    }
