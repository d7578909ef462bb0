"""Checks of published tables in SQL: the contract's promises, tested where readers will read.

Publication has validated the rows in memory already; these checks go over the files, through
DuckDB, so that a fault of writing or of types shows as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data.lake import Contract, TableRef
from data.lake.catalog import run_sql
from data.lake.contract import Column
from data.lake.tables import CONTRACTS


def check_table(ref: TableRef, run_id: str) -> list[dict[str, Any]]:
    """Rows of `quality` for one snapshot; none for a table without a fixed contract."""
    contract = CONTRACTS.get(ref.table)
    if contract is None:
        return []
    checks = dict(_checks(contract))
    counts = ", ".join(f"({sql}) AS c{i}" for i, sql in enumerate(checks.values()))
    found = run_sql(f"SELECT count(*) AS n, {counts} FROM t", {"t": ref}).to_pylist()[0]
    return [
        {
            "run_id": run_id,
            "table_name": ref.table,
            "snapshot": ref.snapshot,
            "check": check,
            "rows": found["n"],
            "failures": int(found[f"c{i}"] or 0),
            "holds": not found[f"c{i}"],
        }
        for i, check in enumerate(checks)
    ]


def _checks(contract: type[Contract]) -> Iterator[tuple[str, str]]:
    """(words, SQL that counts the rows failing it) for every promise of a contract."""
    yield "has rows", "CASE WHEN count(*) = 0 THEN 1 ELSE 0 END"
    for column in contract.columns:
        for words, fails in _column_checks(column):
            yield f"{column.name} {words}", f"count(*) FILTER (WHERE {fails})"
    if contract.unique:
        key = ", ".join(f'"{name}"' for name in contract.unique)
        yield f"{', '.join(contract.unique)} unique", f"count(*) - count(DISTINCT row({key}))"


def _column_checks(column: Column) -> Iterator[tuple[str, str]]:
    name = f'"{column.name}"'
    if not column.nullable:
        yield "not null", f"{name} IS NULL"
    if column.kind is float:
        yield "not NaN", f"isnan({name})"
    for sign, bound in (
        (">=", column.ge),
        (">", column.gt),
        ("<=", column.le),
        ("<", column.lt),
    ):
        if bound is not None:
            yield f"{sign} {bound:g}", f"NOT {name} {sign} {bound!r}"
    if column.isin:
        values = ", ".join("'" + value.replace("'", "''") + "'" for value in column.isin)
        yield f"one of {', '.join(column.isin)}", f"{name} NOT IN ({values})"
