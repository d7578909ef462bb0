"""Steps that read results into tables: a suite's files, runs, stats, instance stats, predictions.

Files are parsed by worker processes, a share of them each, and their rows come back through Arrow
files on disk, so that no more than a batch of rows is in memory at a time. Rows of files that did
not change since the table's last snapshot are copied from it, not read again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.lake import Lake, TableRef
from data.lake.tables import CONTRACTS
from data.lake.tables import helm as tables
from models.helm.files import FOREIGN, ResultFile, find_files
from models.helm.streaming import LARGE
from tasks.helm_reading import OWN, Bad, Job, read_job
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.recipe import code_fingerprint
from tasks.records import quarantine
from tasks.settings import lake_url, workers

log = logging.getLogger(__name__)

PARALLEL = 192 << 20  # bytes of JSON from which starting processes pays


_Known = tuple[int, int, str]  # size [bytes], modified [ns since 1970], sha256
# What `suites` found last, for `helm_files` to list.
_listed: dict[tuple[str, str, str], list[tuple[ResultFile, _Known]]] = {}


def suites(folder: str) -> dict[str, str]:
    """The suites in a folder, each with a digest of its files: it changes when any of them does.

    A file whose size and time are those of the last ingest is not read again.
    Raises ValueError when there are none.
    """
    found, left_out = find_files(Path(folder))
    quarantine(f"helm {folder}", [(str(bad.path), None, bad.reason) for bad in left_out])
    if workers() > 1 and sum(file.bytes for file in found) >= PARALLEL:
        _pool()  # gets ready while the files are hashed
    hashes = _hashes(folder, found)
    digests = {}
    _listed.clear()
    for suite, files in ((s, list(g)) for s, g in groupby(found, key=lambda f: f.suite)):
        told = json.dumps([(str(f.path), hashes[f.path][2]) for f in files])
        digests[suite] = hashlib.sha256(told.encode()).hexdigest()
        _listed[folder, suite, digests[suite]] = [(file, hashes[file.path]) for file in files]
    return digests


@produces("helm_files", version=1)
def helm_files(folder: str, suite: str, digest: str) -> pa.Table:
    """The result files of one suite; `digest` stands for their contents in the recipe."""
    root = Path(folder).resolve()
    files = _listed.pop((folder, suite, digest), None)
    if files is None:  # found by another process
        found = [file for file in find_files(root)[0] if file.suite == suite]
        hashes = _hashes(folder, found)
        files = [(file, hashes[file.path]) for file in found]
    listed = [
        {
            "suite": suite,
            "run": file.run,
            "kind": file.kind,
            "folder": str(root),
            "path": _relative(file.path, root),
            "bytes": size,
            "modified": modified,
            "sha256": sha256,
        }
        for file, (size, modified, sha256) in files
    ]
    return pa.Table.from_pylist(listed, schema=tables.HelmFiles.arrow_schema())


@produces("helm_runs", version=1)
def helm_runs(files: TableRef) -> pa.Table:
    """Runs out of run_spec.json, and the tasks of other harnesses."""
    found = _ingest("helm_runs", files, code_fingerprint(helm_runs.fn)).read_all()
    names = found["run"].to_pylist()
    last = {name: i for i, name in enumerate(names)}
    twice = [
        (found["source"][i].as_py(), None, f"run {name} is read from another file too")
        for i, name in enumerate(names)
        if last[name] != i
    ]
    quarantine(f"helm_runs {_suite(files)}, repeated", twice)
    return found.take(sorted(last.values()))


@produces("helm_stats", version=1)
def helm_stats(files: TableRef) -> pa.RecordBatchReader:
    """Stats out of stats.json, and the results of other harnesses."""
    return _ingest("helm_stats", files, code_fingerprint(helm_stats.fn))


@produces("helm_instance_stats", version=1)
def helm_instance_stats(files: TableRef) -> pa.RecordBatchReader:
    """Stats out of per_instance_stats.json, and the samples of other harnesses."""
    return _ingest("helm_instance_stats", files, code_fingerprint(helm_instance_stats.fn))


@produces("helm_predictions", version=1)
def helm_predictions(files: TableRef) -> pa.RecordBatchReader:
    """Requests and answers out of scenario_state.json, and the samples of other harnesses."""
    return _ingest("helm_predictions", files, code_fingerprint(helm_predictions.fn))


def _ingest(table: str, files: TableRef, code: Mapping[str, str]) -> pa.RecordBatchReader:
    """The table's rows out of `files`: those of unchanged files copied, the others read."""
    listed = files.read().to_pylist()
    kinds = {OWN[table], *FOREIGN}
    wanted = {row["path"]: row for row in listed if row["kind"] in kinds and row["sha256"]}
    previous, kept = _previous(table, files, wanted, code)
    jobs = [
        Job(table, row["suite"], row["folder"], [(row["run"], row["kind"], row["path"])])
        for row in wanted.values()
        if row["path"] not in kept
    ]
    size = sum(row["bytes"] for row in listed if row["path"] not in kept)  # of all tables
    schema = CONTRACTS[table].arrow_schema()

    def batches() -> Iterator[pa.RecordBatch]:
        if previous is not None:
            mine = pa.array(sorted(kept), pa.string())
            for rows_ in previous.batches():
                yield from rows_.filter(pc.is_in(rows_["source"], mine)).cast(schema).to_batches()
        with tempfile.TemporaryDirectory(prefix="headwater-") as place:
            bad: list[Bad] = []
            for target, unusable in _work(jobs, size, Path(place)):
                bad += unusable
                with pa.OSFile(target) as file:
                    yield from pa.ipc.open_stream(file)
                Path(target).unlink()
            quarantine(f"{table} {_suite(files)}", bad)

    return pa.RecordBatchReader.from_batches(schema, (b for b in batches() if b.num_rows))


def _work(jobs: Sequence[Job], size: int, place: Path) -> Iterator[tuple[str, list[Bad]]]:
    """Runs the jobs, in this process when they are small; yields each share's file when done."""
    shares = _shares(jobs, workers() if size >= PARALLEL else 1)
    targets = [str(place / f"{i}.arrow") for i in range(len(shares))]
    show = progress_bar(f"reading {jobs[0].table}") if jobs else None
    if len(shares) < 2:
        done: Iterable[list[Bad]] = map(read_job, shares, targets)
    else:
        done = _pool().map(read_job, shares, targets)
    for number, (target, bad) in enumerate(zip(targets, done, strict=True), start=1):
        yield target, bad
        if show:
            show(number, len(shares))


@functools.cache
def _pool() -> ProcessPoolExecutor:
    """The workers of this process, kept for the tables to come.

    They are forks of a server that has loaded what they need and does nothing else: a fork of this
    process, which has threads, could lock up, and a fresh interpreter each would take longer.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tasks.helm_reading"])
    pool = ProcessPoolExecutor(workers(), mp_context=context)
    for _ in range(workers()):
        pool.submit(os.getpid)  # a pool starts its workers when it is given work
    return pool


def dismiss_workers() -> None:
    """Ends the workers and gives memory back that is better used for what comes after reading."""
    if _pool.cache_info().currsize:
        _pool().shutdown()
        _pool.cache_clear()
    pa.default_memory_pool().release_unused()


def _shares(jobs: Sequence[Job], parts: int) -> list[Job]:
    """The files dealt to `parts` workers, several shares each, neighbours together."""
    if not jobs:
        return []
    count = min(len(jobs), 1 if parts == 1 else 4 * parts)
    bounds = [round(i * len(jobs) / count) for i in range(count + 1)]
    return [
        jobs[low]._replace(files=[file for job in jobs[low:high] for file in job.files])
        for low, high in pairwise(bounds)
    ]


def _previous(
    table: str, files: TableRef, wanted: Mapping[str, Mapping[str, Any]], code: Mapping[str, str]
) -> tuple[TableRef | None, set[str]]:
    """The suite's newest snapshot by the same code, and the files it read that are unchanged."""
    lake = Lake(files.lake)
    suite = _suite(files)
    mine = {f"code:{name}": digest for name, digest in code.items()}
    for commit in reversed(lake.commits(table)):
        codes = {name: value for name, value in commit.fields.items() if name.startswith("code:")}
        if commit.partition.get("suite") != suite or codes != mine:
            continue
        if lake.damage(commit) is not None:
            continue
        earlier = next(c for c in lake.commits("helm_files") if c.snapshot == commit.inputs[0][1])
        known = {row["path"]: row for row in lake.reference(earlier).read().to_pylist()}
        same = {
            path
            for path, row in wanted.items()
            if path in known and all(known[path][k] == row[k] for k in ("sha256", "run", "kind"))
        }
        # What was set aside then is read again, so that this run tells of it too.
        read = {
            source
            for rows_ in lake.reference(commit).batches(["source"])
            for source in pc.unique(rows_["source"]).to_pylist()
        }
        return lake.reference(commit), same & read
    return None, set()


def _hashes(folder: str, found: Sequence[ResultFile]) -> dict[Path, _Known]:
    """Size, time and hash of every file; hashes of unchanged ones as the lake remembers them."""
    root = Path(folder).resolve()
    lake = Lake(lake_url())
    known = dict(_hashed)
    for commit in lake.commits("helm_files"):
        for row in lake.reference(commit).read().to_pylist():
            key = (str(Path(row["folder"]) / row["path"]), row["bytes"], row["modified"])
            known[key] = row["sha256"]
    hashes = {}
    for file in found:
        try:
            status = file.path.stat()
            key = (str(root / _relative(file.path, root)), status.st_size, status.st_mtime_ns)
            if not known.get(key):
                known[key] = _digest(file.path, status.st_size)
            _hashed[key] = known[key]
            hashes[file.path] = (status.st_size, status.st_mtime_ns, known[key])
        except OSError as error:
            quarantine(f"helm {file.path}", [(str(file.path), None, f"{error.strerror}")])
            hashes[file.path] = (0, 0, "")
    return hashes


def _digest(path: Path, size: int) -> str:
    """sha256 of a file; a small one is read at once, which is several times faster."""
    if size < LARGE:
        with path.open("rb", buffering=0) as content:
            return hashlib.sha256(content.read()).hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


_hashed: dict[tuple[str, int, int], str] = {}


def _relative(path: Path, root: Path) -> str:
    text, above = str(path), f"{root}{os.sep}"
    return text[len(above) :] if text.startswith(above) else os.path.relpath(path, root)


def _suite(files: TableRef) -> str:
    return Lake(files.lake).commit_of(files).partition["suite"]
