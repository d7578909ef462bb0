"""What reading commands print: tables, columns, rows, damage. Light: no Prefect, no pandas."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from data.lake import Lake
from data.lake.catalog import Catalog, QueryError
from data.lake.tables import CONTRACTS
from flows.errors import CallError, meant
from tasks.settings import lake_url

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SHOWN_ROWS = 40
_BATCH_ROWS = 65_536
_PIPE_WIDTH = 160  # columns when the output is no terminal


def tables() -> None:
    """Every table with its rows, snapshots and meaning."""
    catalog = Catalog(Lake(lake_url()))
    listing = Table("table", "rows", "snapshots", "last published (UTC)", "holds", box=None)
    for name in catalog.names():
        commits = catalog.commits(name)
        rows = sum(commit.rows for commit in catalog.shown(name))
        last = commits[-1].committed_at[:19].replace("T", " ") if commits else ""
        meaning = CONTRACTS[name].meaning() if name in CONTRACTS else "made at run time"
        listing.add_row(name, f"{rows:,}", str(len(commits)), last, meaning)
    _console().print(listing)


def describe(table: str) -> None:
    """A table's contract: type, unit, constraint and meaning of every column."""
    if table not in CONTRACTS:
        return _describe_made(table)
    contract = CONTRACTS[table]
    columns = Table("column", "type", "unit", "constraint", "meaning", box=None)
    for c in contract.columns:
        columns.add_row(c.name, c.sql_type, c.unit, c.constraint, c.meaning)
    out = _console()
    out.print(f"{table}: {contract.meaning()}", highlight=False)
    out.print(columns)
    if contract.unique:
        out.print(f"unique: {', '.join(contract.unique)}", highlight=False)
    if contract.partition:
        out.print(f"one snapshot per: {', '.join(contract.partition)}", highlight=False)


def _describe_made(table: str) -> None:
    """A table whose columns were known at run time only, as its newest snapshot has them."""
    catalog = Catalog(Lake(lake_url()))
    commits = catalog.shown(table)
    if not commits:
        known = catalog.names()
        raise CallError(f"no table {table!r}{meant(table, known)}; see headwater tables")
    fields = next(catalog.lake.batches(catalog.lake.reference(commits[-1]))).schema
    types = {row["column_name"]: row["column_type"] for row in catalog.rows(f'DESCRIBE "{table}"')}
    columns = Table("column", "type", "meaning", box=None)
    for field in fields:
        told = (field.metadata or {}).get(b"meaning", b"").decode()
        columns.add_row(field.name, types[field.name], told)
    out = _console()
    out.print(f"{table}: made at run time", highlight=False)
    out.print(columns)
    if commits[-1].partition:
        out.print(f"one snapshot per: {', '.join(commits[-1].partition)}", highlight=False)


def query(sql: str, format: str, output: Path | None) -> None:
    """Writes a query's rows; a file appears under its name only when it is whole."""
    import duckdb

    if format == "parquet" and output is None and sys.stdout.isatty():
        raise CallError("--format parquet needs --output FILE: a terminal cannot show it")
    catalog = Catalog(Lake(lake_url()))
    result = catalog.query(sql)
    write = _WRITERS[format]
    try:
        if output is None:
            write(result, sys.stdout.buffer)
            sys.stdout.flush()
            return
        temporary = output.with_name(f".{output.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                write(result, file)
            temporary.replace(output)
        finally:
            temporary.unlink(missing_ok=True)
    except duckdb.Error as error:  # results are streamed: a damaged file may show only now
        raise catalog.explain(error, sql) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise QueryError(f"cannot write {output}: {error.strerror}") from error


def verify() -> bool:
    """Names every damaged snapshot; True when there is none."""
    lake, checked, damaged = Lake(lake_url()), 0, 0
    for commit, damage in lake.verify():
        checked += 1
        if damage is not None:
            damaged += 1
            print(f"table {commit.table}: {damage}")
    print(f"{checked} snapshots checked, {damaged} damaged")
    if damaged:
        print("headwater: run again to compute the damaged tables anew", file=sys.stderr)
    return damaged == 0


def collect_garbage(hours: float) -> None:
    """Removes orphans older than `hours`, naming each."""
    lake = Lake(lake_url())
    found = lake.orphans(hours)
    for name in found:
        lake.storage.remove(name)
        print(f"removed {lake.storage.path(name)}")
    print(f"{len(found)} orphans older than {hours:g} h removed")


def status() -> None:
    """Server and worker, and the last runs the lake knows of."""
    from flows import server

    for name in ("server", "worker"):
        service = server.known(name)
        print(f"{name}: {f'running, {service.url}' if service else 'not running'}")
    catalog = Catalog(Lake(lake_url()))
    query_runs = (
        "SELECT strftime(started_at, '%Y-%m-%d %H:%M') AS started_utc, flow, profile, state, "
        "round(seconds, 1) AS seconds, hits, misses FROM runs ORDER BY started_at DESC LIMIT 10"
    )
    _write_table(catalog.query(query_runs), sys.stdout.buffer)


def _write_table(result: duckdb.DuckDBPyConnection, out: IO[bytes]) -> None:
    names = [column[0] for column in result.description]
    rows = result.fetchmany(_SHOWN_ROWS + 1)
    table = Table(*names, box=None)
    for row in rows[:_SHOWN_ROWS]:
        table.add_row(*map(_text, row))
    console = _console()
    with console.capture() as captured:
        console.print(table, highlight=False)
    out.write(captured.get().encode())
    if len(rows) > _SHOWN_ROWS:
        out.write(f"(first {_SHOWN_ROWS} rows; --format csv|json|parquet writes all)\n".encode())


def _write_csv(result: duckdb.DuckDBPyConnection, out: IO[bytes]) -> None:
    import csv
    import io

    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column[0] for column in result.description])
    while rows := result.fetchmany(_BATCH_ROWS):
        writer.writerows(rows)
    text.detach()


def _write_json(result: duckdb.DuckDBPyConnection, out: IO[bytes]) -> None:
    names = [column[0] for column in result.description]
    out.write(b"[")
    separator = b"\n"
    while rows := result.fetchmany(_BATCH_ROWS):
        for row in rows:
            line = json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False)
            out.write(separator + line.encode())
            separator = b",\n"
    out.write(b"\n]\n")


def _write_parquet(result: duckdb.DuckDBPyConnection, out: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    reader: pa.RecordBatchReader = result.to_arrow_reader(_BATCH_ROWS)
    with pq.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


_WRITERS: dict[str, Callable[[Any, IO[bytes]], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
