"""The lake: immutable snapshots of tables, each made to exist by one commit record.

    lake/headwater.json                                             format of the lake
    lake/<table>/snapshot=<recipe12>-<run8>/part-00000.parquet      the rows, zstd
    lake/<table>/_commits/<utc>-<recipe12>-<run8>.json              written last: the commit record
    lake/<table>/_withdrawn/                                        records of damaged snapshots

A snapshot without a record does not exist; readers take file lists from records, never a glob.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.lake.contract import Contract
from data.lake.errors import ContractError, DamagedError, LakeError, unwritable
from data.lake.storage import SCRATCH, TEMPORARY, LocalStorage, open_storage

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
_FORMAT_FILE = "headwater.json"
_ROW_GROUP = 131_072
_HASH_BLOCK = 1 << 20


@dataclass(frozen=True)
class TableRef:
    """What travels between steps instead of rows: one snapshot of one table in one lake."""

    lake: str
    table: str
    snapshot: str
    rows: int
    sha256: str
    hit: bool = field(default=False, compare=False)  # found, not computed, by the run that holds it
    started: float = field(default=0.0, compare=False)  # when its step began to work [s since 1970]
    seconds: float = field(default=0.0, compare=False)  # what its step worked

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The snapshot's rows. Raises DamagedError when a file is gone or unreadable."""
        return Lake(self.lake).read(self, columns)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The same rows a row group at a time, for tables larger than memory."""
        return Lake(self.lake).batches(self, columns)


@dataclass(frozen=True)
class Part:
    """One Parquet file of a snapshot."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Commit:
    """A commit record: the sentence that makes a snapshot exist."""

    format: int
    table: str
    snapshot: str
    committed_at: str
    version: int
    recipe: str
    fields: dict[str, str]  # what went into the recipe, by name
    inputs: list[list[str]]  # [table, snapshot] of everything read
    partition: dict[str, str]
    rows: int
    bytes: int
    files: list[Part]
    schema: dict[str, str]
    run_id: str
    seconds: float
    code: dict[str, str]  # commit, argv, host: for people, not part of the recipe

    @property
    def record(self) -> str:
        stamp = self.committed_at.replace("-", "").replace(":", "")
        return f"{self.table}/_commits/{stamp}-{self.snapshot}.json"

    @property
    def folder(self) -> str:
        return _folder(self.table, self.snapshot)

    @property
    def sha256(self) -> str:
        """One hash for the snapshot: that of its files' hashes."""
        return hashlib.sha256("".join(part.sha256 for part in self.files).encode()).hexdigest()


class Lake:
    """One lake at `url` (a local folder or any fsspec URL). Cheap to make; holds no state."""

    def __init__(self, url: str) -> None:
        self.storage = open_storage(url)
        self.url = str(self.storage.root) if isinstance(self.storage, LocalStorage) else url
        self._check_format()

    # -- writing ---------------------------------------------------------------------------------

    def publish(
        self,
        contract: type[Contract],
        rows: pa.Table | pa.RecordBatchReader,
        *,
        recipe: str,
        fields: Mapping[str, str],
        inputs: Sequence[TableRef] = (),
        version: int = 1,
        run_id: str = "",
        code: Mapping[str, str] | None = None,
        started: float | None = None,
    ) -> TableRef:
        """Checks `rows` against the contract and makes them a snapshot, wholly or not at all.

        A RecordBatchReader is checked and written batch by batch, in the memory of one of them;
        its contract must not ask for uniqueness, which no batch can tell.
        Raises ContractError (rows are wrong) or UnwritableError (the place is); the lake then
        is as before.
        """
        started = time.time() if started is None else started
        checked = _checked(contract, rows)
        snapshot = self._free_name(contract.table, recipe, run_id)
        provenance = {"headwater.recipe": recipe, "headwater.run": run_id}
        staged: Path | None = None
        try:
            self._write_format()
            staged = self.storage.staging()
            path = staged / "part-00000.parquet"
            part, partition = _write_parquet(contract, checked, path, provenance)
            self.storage.adopt(staged, _folder(contract.table, snapshot))
            commit = Commit(
                format=FORMAT,
                table=contract.table,
                snapshot=snapshot,
                committed_at=datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z",
                version=version,
                recipe=recipe,
                fields=dict(fields),
                inputs=[[ref.table, ref.snapshot] for ref in inputs],
                partition=partition,
                rows=part.rows,
                bytes=part.bytes,
                files=[part],
                schema={f.name: str(f.type) for f in contract.arrow_schema()},
                run_id=run_id,
                seconds=time.time() - started,
                code=dict(code or {}),
            )
            self.storage.create(commit.record, json.dumps(asdict(commit), indent=1).encode())
        except OSError as error:
            raise unwritable(error, self.url) or error from error
        finally:
            if staged is not None:
                shutil.rmtree(staged, ignore_errors=True)
        return self.reference(commit, started=started, seconds=commit.seconds)

    def withdraw(self, commit: Commit) -> None:
        """Takes a damaged snapshot out of sight; its record and what is left of it are kept."""
        self.storage.move(commit.record, commit.record.replace("/_commits/", "/_withdrawn/"))

    def lock(self, name: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """One holder per name at a time on a local lake (see Storage.lock)."""
        return self.storage.lock(name, waiting)

    def scratch(self, recipe: str) -> Path:
        """A folder for the unfinished work on a recipe, found again by whoever takes it up.

        Use it under the recipe's lock; `clear_scratch` when the work is published.
        """
        return self.storage.scratch(recipe[:12])

    def clear_scratch(self, recipe: str) -> None:
        shutil.rmtree(self.storage.scratch(recipe[:12]), ignore_errors=True)

    def check_writable(self) -> None:
        self.storage.check_writable()
        self._write_format()

    # -- reading ---------------------------------------------------------------------------------

    def tables(self) -> list[str]:
        """Names of the tables that have at least one snapshot."""
        return [
            name
            for name in self.storage.names("")
            if not name.startswith((".", "_")) and self.storage.names(f"{name}/_commits")
        ]

    def commits(self, table: str, recipe: str | None = None) -> list[Commit]:
        """The table's commit records, oldest first; with `recipe`, those made by it."""
        wanted = "" if recipe is None else f"-{recipe[:12]}-"
        names = [n for n in self.storage.names(f"{table}/_commits") if not n.startswith(TEMPORARY)]
        return [self._read_record(f"{table}/_commits/{n}") for n in names if wanted in n]

    def find(self, table: str, recipe: str) -> Commit | None:
        """The newest snapshot of this recipe, whether or not its files still are what they were."""
        found = [c for c in self.commits(table, recipe) if c.recipe == recipe]
        return found[-1] if found else None

    def commit_of(self, ref: TableRef) -> Commit:
        for name in self.storage.names(f"{ref.table}/_commits"):
            if name.endswith(f"-{ref.snapshot}.json"):
                return self._read_record(f"{ref.table}/_commits/{name}")
        raise DamagedError(f"table {ref.table}: snapshot {ref.snapshot} is not in {self.url}")

    def reference(
        self, commit: Commit, *, hit: bool = False, started: float = 0.0, seconds: float = 0.0
    ) -> TableRef:
        return TableRef(
            self.url, commit.table, commit.snapshot, commit.rows, commit.sha256,
            hit=hit, started=started, seconds=seconds,
        )  # fmt: skip

    def paths(self, commit: Commit) -> list[str]:
        """Addresses of the snapshot's files, as DuckDB takes them."""
        return [self.storage.path(f"{commit.folder}/{part.name}") for part in commit.files]

    def read(self, ref: TableRef, columns: Sequence[str] | None = None) -> pa.Table:
        import pyarrow as pa

        return pa.concat_tables(self.batches(ref, columns))

    def batches(self, ref: TableRef, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The snapshot's rows, one table a row group, at least one."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        commit = self.commit_of(ref)
        for part in commit.files:
            try:
                with self.storage.open(f"{commit.folder}/{part.name}") as file:
                    # In this thread alone: Arrow's threads on a Python file can abort the exit.
                    chosen = None if columns is None else list(columns)
                    parquet = pq.ParquetFile(file)
                    for group in range(parquet.num_row_groups):
                        rows = parquet.read_row_group(group, columns=chosen, use_threads=False)
                        yield rows if chosen is None else rows.select(chosen)
            except (OSError, pa.ArrowInvalid) as error:
                raise DamagedError(
                    f"table {ref.table}: {self.storage.path(commit.folder)}/{part.name} cannot be "
                    f"read ({str(error).splitlines()[0]}); run again to compute it anew"
                ) from error

    # -- keeping ---------------------------------------------------------------------------------

    def damage(self, commit: Commit) -> str | None:
        """What is wrong with a snapshot's files, after hashing every one; None when nothing is."""
        for part in commit.files:
            name = f"{commit.folder}/{part.name}"
            try:
                with self.storage.open(name) as file:
                    digest = _sha256(iter(lambda: file.read(_HASH_BLOCK), b""))
            except FileNotFoundError:
                return f"{self.storage.path(name)} is gone"
            except OSError as error:
                return f"{self.storage.path(name)} cannot be read ({error})"
            if digest != part.sha256:
                return f"{self.storage.path(name)} is not what was published (sha256 differs)"
        return None

    def verify(self) -> Iterator[tuple[Commit, str | None]]:
        """Every snapshot with its damage, files re-hashed one by one."""
        for table in self.tables():
            for commit in self.commits(table):
                yield commit, self.damage(commit)

    def orphans(self, older_than_hours: float) -> list[str]:
        """What killed runs left behind: staged folders, unfinished work, snapshots and records
        without a commit."""
        found = [n for n in self.storage.names("") if n.startswith(TEMPORARY)]
        found += [f"{SCRATCH}/{n}" for n in self.storage.names(SCRATCH)]
        for table in self.storage.names(""):
            if table.startswith((".", "_")):
                continue
            records = self.storage.names(f"{table}/_commits")
            kept = {_snapshot_of(n) for n in [*records, *self.storage.names(f"{table}/_withdrawn")]}
            found += [f"{table}/_commits/{n}" for n in records if n.startswith(TEMPORARY)]
            found += [
                f"{table}/{n}"
                for n in self.storage.names(table)
                if n.startswith("snapshot=") and n.removeprefix("snapshot=") not in kept
            ]
        return [n for n in found if self.storage.age_seconds(n) >= older_than_hours * 3600]

    # -- inside ----------------------------------------------------------------------------------

    def _free_name(self, table: str, recipe: str, run_id: str) -> str:
        run = run_id[:8] or secrets.token_hex(4)
        while self.storage.exists(_folder(table, f"{recipe[:12]}-{run}")):
            run = secrets.token_hex(4)  # a retry within one run: its first try left a folder
        return f"{recipe[:12]}-{run}"

    def _read_record(self, name: str) -> Commit:
        try:
            record: dict[str, Any] = json.loads(self.storage.read(name))
            if record["format"] > FORMAT:
                raise LakeError(
                    f"{self.storage.path(name)} has format {record['format']}, this Headwater "
                    f"reads up to {FORMAT}: use a newer Headwater"
                )
            return Commit(**{**record, "files": [Part(**part) for part in record["files"]]})
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{self.storage.path(name)} is not a commit record ({error}); move it away"
            ) from error

    def _check_format(self) -> None:
        if not self.storage.exists(_FORMAT_FILE):
            return
        try:
            found = json.loads(self.storage.read(_FORMAT_FILE))["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{self.storage.path(_FORMAT_FILE)} is damaged: it should read {_format_text()}"
            ) from error
        if found > FORMAT:
            raise LakeError(
                f"the lake at {self.url} has format {found}, this Headwater reads up to {FORMAT}: "
                "use a newer Headwater or another lake"
            )

    def _write_format(self) -> None:
        if not self.storage.exists(_FORMAT_FILE):
            try:
                self.storage.create(_FORMAT_FILE, _format_text().encode())
            except FileExistsError:  # another run was faster
                pass


def _format_text() -> str:
    return json.dumps({"format": FORMAT})


def _folder(table: str, snapshot: str) -> str:
    return f"{table}/snapshot={snapshot}"


def _snapshot_of(record: str) -> str:
    """ "20261123T...Z-<recipe12>-<run8>.json" -> "<recipe12>-<run8>"."""
    return "-".join(record.removesuffix(".json").split("-")[1:])


def _checked(contract: type[Contract], rows: pa.Table | pa.RecordBatchReader) -> Iterable[pa.Table]:
    """Tables that keep the contract: a whole one checked now, batches as they come."""
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return [contract.conform(rows)]
    if contract.unique:
        raise TypeError(f"table {contract.table} is unique by {contract.unique}: publish it whole")
    return (contract.conform(pa.Table.from_batches([batch])) for batch in rows)


def _write_parquet(
    contract: type[Contract],
    tables: Iterable[pa.Table],
    path: Path,
    provenance: Mapping[str, str],
) -> tuple[Part, dict[str, str]]:
    """The file, and the value of every partition column in it."""
    import pyarrow.parquet as pq

    schema = contract.arrow_schema()
    schema = schema.with_metadata({**(schema.metadata or {}), **provenance})
    partition: dict[str, str] = {}
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            names = contract.partition if table.num_rows else ()
            values = {name: str(table.column(name)[0]) for name in names}
            if partition and values and values != partition:
                raise ContractError(
                    f"table {contract.table}: one snapshot holds one partition, got {partition} "
                    f"and {values}"
                )
            partition = partition or values
            rows += table.num_rows
            writer.write_table(table.cast(schema), row_group_size=_ROW_GROUP)
        if not rows:
            writer.write_table(schema.empty_table())  # so that whoever reads finds the columns
    with path.open("rb") as file:
        digest = _sha256(iter(lambda: file.read(_HASH_BLOCK), b""))
    return Part(path.name, rows, path.stat().st_size, digest), partition


def _sha256(blocks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
