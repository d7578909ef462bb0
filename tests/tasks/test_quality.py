import pyarrow as pa
import pytest

from data.lake import Lake
from data.lake.contract import Contract, column
from data.lake.tables import CONTRACTS
from tasks.quality import _checks, check_table


def test_good_rows_pass_every_check(lake_url):
    contract = CONTRACTS["helm_win_rates"]
    row = {"suite": "s", "group": "g", "table_name": "t", "row": "r"}
    scores = {"mean_win_rate": 0.5, "low": 0.1, "high": 0.9, "n_columns": 2, "mean_score": 0.7}
    full = [row | scores | {"row_position": 0}]
    ref = Lake(lake_url).publish(contract, pa.Table.from_pylist(full), recipe="f" * 64, fields={})
    checks = check_table(ref, "run")
    assert all(check["holds"] for check in checks)
    assert {"has rows", "mean_win_rate <= 1", "suite not null"} <= {c["check"] for c in checks}
    assert "suite, group, table_name, row_position unique" in {c["check"] for c in checks}


@pytest.mark.parametrize(
    ("rows", "failing"),
    [
        ([], {"has rows"}),
        ([("a", 5.0), ("a", 1.0)], {"x < 5", "name unique"}),
        ([("b", float("nan")), ("a", 1.0)], {"x not NaN", "x < 5"}),
        ([("z", 1.0)], {"name one of a, b"}),
        ([(None, -1.0)], {"name not null", "x >= 0"}),
    ],
    ids=["empty", "bound-and-key", "nan", "set", "null"],
)
def test_each_check_counts_what_breaks_it(rows, failing):
    """The SQL is run on rows no contract would let pass."""
    import duckdb

    class Strict(Contract, table="strict", unique=("name",)):
        """Strict."""

        name: str = column("name", isin=("a", "b"))
        x: float = column("x", ge=0, lt=5)

    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (name VARCHAR, x DOUBLE)")
    for row in rows:
        connection.execute("INSERT INTO t VALUES (?, ?)", row)
    failed = {
        words
        for words, sql in _checks(Strict)
        if connection.execute(f"SELECT {sql} FROM t").fetchall()[0][0]
    }
    assert failed == failing


def test_a_table_made_at_run_time_has_no_checks():
    from data.lake import TableRef

    assert check_table(TableRef("lake", "films", "s", 0, ""), "run") == []
