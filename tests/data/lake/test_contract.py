from datetime import UTC, date, datetime

import pandera.errors
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.lake import Contract, ContractError, column
from data.lake.contract import _plainly_kept
from data.lake.tables import CONTRACTS


class Everything(Contract, table="everything"):
    """One column of every type there is."""

    text: str = column("text")
    whole: int = column("whole number", unit="m", ge=0, lt=10)
    real: float = column("real number", gt=0)
    maybe: float | None = column("real number or nothing")
    flag: bool = column("yes or no")
    blob: bytes | None = column("bytes")
    day: date = column("day")
    moment: datetime = column("moment (UTC)")
    words: list[str] = column("words")
    vector: list[float] = column("vector")
    counts: list[int] | None = column("counts")
    colour: str = column("colour", isin=("red", "green"))


def row(**changes):
    return {
        "text": "a",
        "whole": 3,
        "real": 1.0,
        "maybe": None,
        "flag": True,
        "blob": b"x",
        "day": date(2026, 1, 1),
        "moment": datetime(2026, 1, 1, tzinfo=UTC),
        "words": ["a"],
        "vector": [1.0],
        "counts": None,
        "colour": "red",
    } | changes


def test_every_type_passes_and_keeps_the_contracts_column_order():
    rows = pa.Table.from_pylist([row()])
    shuffled = rows.select(list(reversed(rows.column_names)))
    conformed = Everything.conform(shuffled)
    assert conformed.column_names == [c.name for c in Everything.columns]
    assert conformed.schema.types == Everything.arrow_schema().types


def test_columns_carry_meaning_unit_and_constraint():
    whole = Everything.columns[1]
    assert (whole.meaning, whole.unit) == ("whole number", "m")
    assert whole.constraint == ">= 0, < 10, not null"
    assert whole.sql_type == "BIGINT"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"whole": 10}, r"column whole: check 'less_than\(10\)' fails in 1 of 2 rows, such as"),
        ({"real": float("nan")}, "column real"),
        ({"real": 0.0}, "column real"),
        ({"colour": "blue"}, "column colour"),
        ({"text": None}, "column text: check 'not null' fails in 1 of 2 rows"),
        ({"whole": 1.5}, "column whole: expected int64, got double"),
    ],
    ids=["bound", "nan", "open-bound", "set", "null", "type"],
)
def test_a_broken_row_is_named_by_table_column_check_and_count(changes, told):
    with pytest.raises(ContractError, match=f"table everything, {told}"):
        Everything.conform(pa.Table.from_pylist([row(), row(**changes)]))


def test_missing_and_unknown_columns_are_named():
    rows = pa.Table.from_pylist([row()]).drop_columns(["flag"]).append_column("x", pa.array([1]))
    with pytest.raises(ContractError, match=r"lacks \['flag'\] and has unknown \['x'\]"):
        Everything.conform(rows)


def test_rows_with_one_key_are_refused():
    class Keyed(Contract, table="keyed", unique=("a", "b")):
        """Keyed."""

        a: int = column("a")
        b: str = column("b")

    rows = pa.table({"a": [1, 1, 2], "b": ["x", "x", "x"]})
    with pytest.raises(ContractError, match="column a, b: check 'unique together' fails in 2 of 3"):
        Keyed.conform(rows)


def test_a_snapshot_holds_one_partition():
    class Sharded(Contract, table="sharded", partition=("shard",)):
        """Sharded."""

        shard: str = column("shard")

    with pytest.raises(ContractError, match="one value of it, got 2"):
        Sharded.conform(pa.table({"shard": ["a", "b"]}))


def test_declaring_nonsense_fails_at_once():
    with pytest.raises(TypeError, match="unsupported type"):

        class Bad(Contract, table="bad"):
            """Bad."""

            x: dict = column("x")

    with pytest.raises(TypeError, match="no column"):

        class Worse(Contract, table="worse", unique=("y",)):
            """Worse."""

            x: int = column("x")


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_bounds_hold_for_every_float_that_passes(values):
    class Bounded(Contract, table="bounded"):
        """Bounded."""

        x: float = column("x", ge=-1, le=1)

    rows = pa.table({"x": pa.array(values, pa.float64())})
    if all(-1 <= value <= 1 for value in values):
        assert Bounded.conform(rows).num_rows == len(values)
    else:
        with pytest.raises(ContractError):
            Bounded.conform(rows)


class Checked(Contract, table="checked", unique=("key", "flag")):
    """Every kind of check at once."""

    key: str | None = column("key")
    flag: bool = column("flag")
    count: int = column("count", ge=0, lt=3)
    share: float | None = column("share", gt=0, le=1)
    colour: str | None = column("colour", isin=("red", "green"))


checked_rows = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["a", "b", "c", None]),
        "flag": st.booleans(),
        "count": st.sampled_from([0, 0, 1, 2, -1, 3]),
        "share": st.sampled_from([1.0, 0.5, 0.5, None, None, 0.0, float("nan"), float("inf")]),
        "colour": st.sampled_from(["red", "green", None, "blue"]),
    }
)


@given(st.lists(checked_rows, min_size=1, max_size=4))
def test_what_arrow_passes_pandera_passes(rows):
    table = pa.Table.from_pylist(rows, schema=Checked.arrow_schema())
    try:
        Checked.pandera_schema().validate(table.to_pandas())
        holds = True
    except pandera.errors.SchemaError:
        holds = False
    plainly = _plainly_kept(Checked, table)
    assert holds or not plainly
    # Only a NaN, which pandas takes for a missing value, is left to pandera although it may pass.
    assert plainly or not holds or any(row["share"] != row["share"] for row in rows)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_every_table_of_the_catalogue_is_documented(contract):
    assert contract.meaning().endswith(".")
    assert all(c.meaning for c in contract.columns)
    assert contract.arrow_schema().names == [c.name for c in contract.columns]
    contract.pandera_schema()
