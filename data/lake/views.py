"""The SQL of the lake's views: which files a view reads, under which names and types.

View `<table>` is the latest snapshot (per partition value, where the contract has partitions),
`<table>_all` every snapshot with its id in column `_snapshot`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from data.lake.contract import Contract
from data.lake.storage import ObjectStorage
from data.lake.store import Commit, Lake
from data.lake.tables import CONTRACTS


def connect(database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A connection that finds no Python variables as tables and draws no progress bar.

    DuckDB draws one on standard output once a query takes seconds, amid what a command prints.
    """
    connection = duckdb.connect(database, config={"python_enable_replacements": "false"})
    connection.execute("SET enable_progress_bar = false")
    return connection


def latest(contract: type[Contract] | None, commits: Sequence[Commit]) -> list[Commit]:
    """The snapshots a table's plain view shows: the newest for each partition value.

    Without a contract in the catalogue the records say whether there are partitions.
    """
    partition = set(contract.partition) if contract else {n for c in commits for n in c.partition}
    if not partition:
        return list(commits[-1:])
    # Snapshots from before the table had partitions would show the same rows a second time.
    whole = [c for c in commits if set(c.partition) >= partition]
    return list({tuple(c.partition.items()): c for c in whole}.values())


def create_views(
    connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Mapping[str, Sequence[Commit]]
) -> list[str]:
    """Makes every view there can be; the names of those that a damaged file leaves out.

    Creating a view reads its first file. A view left out is an error to whoever asks for it; one
    that complains when read would not be, where a filter lets DuckDB skip the reading.
    """
    bad = []
    for view, select in _view_statements(lake, tables):
        try:
            connection.execute(f"CREATE VIEW {quoted(view)} AS {select}")
        except duckdb.Error:
            bad.append(view)
    return bad


def _view_statements(
    lake: Lake, tables: Mapping[str, Sequence[Commit]]
) -> Iterable[tuple[str, str]]:
    """View and SELECT for every table and its history."""
    for name in sorted({*CONTRACTS, *tables}):
        contract, commits = CONTRACTS.get(name), tables.get(name, [])
        for view, chosen in ((name, latest(contract, commits)), (f"{name}_all", commits)):
            casts = _expressions(contract, chosen)
            if view != name:
                origin = "regexp_extract(filename, 'snapshot=([^/]+)', 1)"
                casts.append(("_snapshot", origin if chosen else "NULL::VARCHAR"))
            if not chosen:
                yield view, f"SELECT {_list(casts)} WHERE false"
                continue
            paths = [path for commit in chosen for path in lake.paths(commit)]
            same = all(commit.schema == chosen[0].schema for commit in chosen)
            yield view, select_files(casts, paths, same_schema=same)


def _expressions(
    contract: type[Contract] | None, commits: Sequence[Commit]
) -> list[tuple[str, str]]:
    """Name and SQL of a view's columns: the contract's, typed; null where no snapshot has them.

    A table that is not in the catalogue shows the columns its snapshots have.
    """
    known = dict.fromkeys(name for commit in reversed(commits) for name in commit.schema)
    if contract is None:
        return [(name, quoted(name)) for name in known]
    return [
        (c.name, f"{quoted(c.name) if c.name in known else 'NULL'}::{c.sql_type}")
        for c in contract.columns
    ]


def select_files(
    columns: Sequence[tuple[str, str]], paths: Sequence[str], *, same_schema: bool
) -> str:
    """The SELECT of named expressions from Parquet files; same_schema: whether all have one."""
    files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    options = "hive_partitioning = false, filename = true"  # a table may have a column "snapshot"
    if not same_schema:
        options += ", union_by_name = true"
    return f"SELECT {_list(columns)} FROM read_parquet([{files}], {options})"


def _list(expressions: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{expression} AS {quoted(name)}" for name, expression in expressions)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def use_files_of(lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    """Lets the connection read the files of a lake that is in an object store."""
    if isinstance(lake.storage, ObjectStorage):
        protocols = lake.storage.fs.protocol
        first = protocols if isinstance(protocols, str) else protocols[0]
        if not connection.filesystem_is_registered(first):
            connection.register_filesystem(lake.storage.fs)
