"""SQL over the lake: views on committed files, for a connection that can see nothing else.

A table without a snapshot is an empty typed view; a table whose files are damaged is an error that
names the file when it is read.
"""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data.lake.errors import DamagedError, LakeError, unwritable
from data.lake.storage import TEMPORARY, LocalStorage
from data.lake.store import Commit, Lake, TableRef
from data.lake.tables import CONTRACTS
from data.lake.views import connect, create_views, latest, quoted, select_files, use_files_of

if TYPE_CHECKING:
    import pyarrow as pa

DATABASE = "headwater.duckdb"
_WRONG_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}


class QueryError(LakeError):
    """The SQL is wrong or asks for more than reading the lake's views."""


class Catalog:
    """A read-only DuckDB connection on the views of one lake, pinned when it is made."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._tables = {name: lake.commits(name) for name in lake.tables()}
        self._connection = connect()
        use_files_of(lake, self._connection)
        self._bad = create_views(self._connection, lake, self._tables)
        _lock_down(self._connection, _paths(lake, self._tables.values()))

    def names(self) -> list[str]:
        """Names of all tables, with or without snapshots."""
        return sorted({*CONTRACTS, *self._tables})

    def commits(self, table: str) -> list[Commit]:
        return self._tables.get(table, [])

    def shown(self, table: str) -> list[Commit]:
        """The snapshots behind a table's plain view."""
        return latest(CONTRACTS.get(table), self.commits(table))

    def query(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Runs one reading statement; fetch from what is returned, results are streamed.

        Raises QueryError for bad or writing SQL, DamagedError naming the table whose file is.
        What goes wrong while fetching is a duckdb.Error: `explain` it.
        """
        self._check_reading(sql)
        try:
            # A result holds its connection until it is fetched: each query gets its own cursor.
            return self._connection.cursor().execute(sql)
        except duckdb.Error as error:
            raise self.explain(error, sql) from error

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """All rows of a reading statement by column name; raises as `query` does."""
        result = self.query(sql)
        names = [column[0] for column in result.description]
        try:
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise self.explain(error, sql) from error

    def damage(self, table: str) -> str | None:
        """What is wrong with a file of the table, after hashing them all; None when nothing is."""
        for commit in self.commits(table):
            found = self.lake.damage(commit)
            if found is not None:
                return f"table {table}: {found}; run again to compute it anew"
        return None

    def explain(self, error: duckdb.Error, sql: str) -> LakeError:
        """The one clear line behind an error that came while executing or fetching `sql`."""
        if not isinstance(error, _WRONG_SQL) or any(
            f" {name} " in str(error) for name in self._bad
        ):
            # DuckDB does not always name the file that it could not decode, so the files are asked.
            for table in set(re.findall(r"\w+", sql.replace("_all", ""))) & set(self._tables):
                damage = self.damage(table)
                if damage is not None:
                    return DamagedError(damage)
        if isinstance(error, duckdb.PermissionException):
            return QueryError("only the lake's views can be read: see `headwater tables`")
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return QueryError(" ".join(line for line in lines if not set(line) <= {"^", "~"}))

    def _check_reading(self, sql: str) -> None:
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise self.explain(error, sql) from error
        if len(statements) != 1:
            raise QueryError(f"give one SQL statement, got {len(statements)}")
        kind, text = statements[0].type, statements[0].query.lstrip()
        if kind is duckdb.StatementType.EXPLAIN:
            rest = text[len("explain") :].lstrip()
            rest = rest[len("analyze") :] if rest.lower().startswith("analyze") else rest
            return self._check_reading(rest)
        if kind not in _READING:
            raise QueryError(f"only reading is allowed here, not {kind.name}: start with SELECT")


def run_sql(statement: str, tables: Mapping[str, TableRef | pa.Table]) -> pa.Table:
    """The rows of a step's SQL over exactly the snapshots (or rows) given, under their names."""
    connection = connect()
    try:
        for name, ref in tables.items():
            if not isinstance(ref, TableRef):
                connection.register(name, ref)
                continue
            lake = Lake(ref.lake)
            use_files_of(lake, connection)
            columns = [(n, quoted(n)) for n in lake.commit_of(ref).schema]
            source = select_files(columns, lake.paths(lake.commit_of(ref)), same_schema=True)
            connection.execute(f"CREATE VIEW {quoted(name)} AS {source}")
        return connection.sql(statement).to_arrow_table()
    finally:
        connection.close()


def matching(lake: Lake, commits: Sequence[Commit], keys: pa.Table) -> pa.Table:
    """All rows of some snapshots of one table whose values are among the rows of `keys`.

    One query whatever the number of snapshots. Raises DamagedError naming the file that cannot be
    read.
    """
    columns = [(name, quoted(name)) for name in commits[0].schema]
    same = all(commit.schema == commits[0].schema for commit in commits)
    paths = [path for commit in commits for path in lake.paths(commit)]
    by = ", ".join(quoted(name) for name in keys.column_names)
    with connect() as connection:
        use_files_of(lake, connection)
        connection.register("keys", keys)
        rows = select_files(columns, paths, same_schema=same)
        try:
            return connection.sql(
                f"SELECT * FROM ({rows}) SEMI JOIN keys USING ({by})"
            ).to_arrow_table()
        except duckdb.Error as error:
            damage = next(filter(None, map(lake.damage, commits)), str(error))
            raise DamagedError(f"table {commits[0].table}: {damage}") from error


def refresh(lake: Lake) -> None:
    """Replaces lake/headwater.duckdb, the views for any other DuckDB client, by rename.

    Under a lock, and after listing the commits inside it: of two runs that publish at once, the
    later refresh knows both. Object stores have no such file; their views are made on connecting.
    """
    if not isinstance(lake.storage, LocalStorage):
        return
    with lake.lock("catalog", waiting=lambda: None):
        temporary = lake.storage.root / f"{TEMPORARY}{uuid.uuid4().hex}"
        trouble = _write_views(lake, temporary)
        if trouble is None:
            temporary.rename(lake.storage.root / DATABASE)
        temporary.unlink(missing_ok=True)
        temporary.with_name(temporary.name + ".wal").unlink(missing_ok=True)
    if trouble is not None:
        raise trouble


def _write_views(lake: Lake, path: Path) -> LakeError | None:
    """Makes a database of the lake's views; what went wrong, if anything.

    The error is returned: raised from here it would keep DuckDB's connection alive up to the
    interpreter's end, and DuckDB then complains of leaks behind the one line that was told.
    """
    tables = {name: lake.commits(name) for name in lake.tables()}
    try:
        with connect(str(path)) as connection:
            connection.begin()  # one write to the disk instead of one a view
            if create_views(connection, lake, tables):
                connection.rollback()  # the first bad view took those after it along
                create_views(connection, lake, tables)
            else:
                connection.commit()
    except (OSError, duckdb.Error) as error:  # a full disk has several names in DuckDB
        stale = f"{DATABASE} keeps its earlier views"
        return unwritable(error, lake.url, stale) or LakeError(f"cannot write {DATABASE}: {error}")
    return None


def _paths(lake: Lake, tables: Iterable[Sequence[Commit]]) -> list[str]:
    return [path for commits in tables for commit in commits for path in lake.paths(commit)]


def _lock_down(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """From here on the connection reads these files, may spill, and can change no setting."""
    spill = Path(tempfile.gettempdir()) / "headwater-duckdb"
    connection.execute("SET temp_directory = ?", [str(spill)])
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET allowed_paths = ?", [list(paths)])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
