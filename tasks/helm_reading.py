"""Reading result files into Arrow files: what a worker process of tasks/helm_ingest.py does.

Apart from the steps, so that a fresh process is at work without loading Prefect.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from data.lake.tables import CONTRACTS
from models.helm import columns, foreign, rows
from models.helm.form import FormError
from models.helm.streaming import LARGE, BrokenError, elements, load, offset_of
from tasks.lean import without_pandas

BATCH = 65_536  # rows that are passed on at once: a row group each
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")
_PORTION = 2 << 20  # bytes of small files that become rows together
ENTRIES = 4_096  # of a large file's array likewise
OWN: Mapping[str, str] = {
    "helm_runs": "run_spec",
    "helm_stats": "stats",
    "helm_instance_stats": "per_instance_stats",
    "helm_predictions": "scenario_state",
}
_FIELDS: Mapping[str, Sequence[str]] = {
    "helm_runs": rows.RUN_FIELDS,
    "helm_stats": rows.STAT_FIELDS,
    "helm_instance_stats": rows.INSTANCE_STAT_FIELDS,
    "helm_predictions": rows.PREDICTION_FIELDS,
}
_FOREIGN: Mapping[str, Callable[[Path], foreign.Foreign]] = {
    "lm_eval": foreign.read_lm_eval,
    "lm_eval_samples": foreign.read_lm_eval_samples,
    "inspect": foreign.read_inspect,
}
_ARRAYS = {"scenario_state": "request_states"}  # member that holds the array; else the file is it
_COLUMNS: Mapping[str, Callable[[Sequence[Any]], columns.Columns]] = {
    "stats": columns.stat_columns,
    "per_instance_stats": columns.instance_stat_columns,
}
_PERTURBATION = rows.STAT_FIELDS[3:8]
_READERS: Mapping[str, rows.Reader] = {
    "stats": rows.stat_rows,
    "per_instance_stats": rows.instance_stat_rows,
    "scenario_state": rows.prediction_rows,
}

Bad = tuple[str, int | None, str]  # item, byte offset, reason


class Job(NamedTuple):
    """Files for one worker to read into one table."""

    table: str
    suite: str
    folder: str
    files: Sequence[tuple[str, str, str]]  # run, kind, path relative to the folder


class _Read(NamedTuple):
    """What a file holds, or a part of a large one."""

    run: str
    name: str
    entries: Sequence[Any]


def read_job(job: Job, target: str) -> list[Bad]:
    """Reads a job's files and writes their rows to the Arrow file `target`; what was unusable.

    Rows of a file that turns out to be broken are not written.
    """
    without_pandas()
    schema = CONTRACTS[job.table].arrow_schema()
    bad: list[Bad] = []
    with (
        _without_collector(),
        pa.OSFile(target, "wb") as sink,
        pa.ipc.new_stream(sink, schema, options=_LZ4) as out,
    ):
        held: list[pa.RecordBatch] = []
        for batch in batches(job, bad):
            held.append(batch)
            if sum(one.num_rows for one in held) >= BATCH:
                out.write_batch(pa.concat_batches(held))
                held.clear()
        if held:
            out.write_batch(pa.concat_batches(held))
    return bad


def batches(job: Job, bad: list[Bad]) -> Iterator[pa.RecordBatch]:
    """The rows of a job's files; what was unusable is added to `bad`."""
    for kind, files in _portions(job):
        if kind in _FOREIGN:
            yield from _of_foreign(job, kind, files, bad)
        elif len(files) == 1 and _size(job, files[0][1]) >= LARGE:
            yield from _of_large(job, kind, *files[0], bad)
        else:
            read = [found for run, name in files for found in _read(job, kind, run, name, bad)]
            yield _batch_of(job, kind, read, bad)


def _portions(job: Job) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(kind, (run, name) of some files): as many as make a portion, a large one alone."""
    held: list[tuple[str, str]] = []
    kept, total = "", 0
    for run, kind, name in job.files:
        size = _size(job, name)
        if held and (kind != kept or total + size > _PORTION):
            yield kept, held
            held, total = [], 0
        held.append((run, name))
        kept, total = kind, total + size
    if held:
        yield kept, held


def _read(job: Job, kind: str, run: str, name: str, bad: list[Bad]) -> Iterator[_Read]:
    """A small file's entries; nothing of one that is broken."""
    path = Path(job.folder) / name
    try:
        if kind == "run_spec":
            yield _Read(run, name, [load(path)])
        else:
            yield _Read(run, name, list(elements(path, _ARRAYS.get(kind, ""))))
    except (BrokenError, OSError) as error:
        bad.append(_broken(name, error))


def _of_large(job: Job, kind: str, run: str, name: str, bad: list[Bad]) -> Iterator[pa.RecordBatch]:
    """A file whose rows may not fit in memory: set down on disk until the file proves whole."""
    path = Path(job.folder) / name
    if kind == "run_spec":
        bad.append((name, None, f"{path.stat().st_size:,} bytes are no run specification"))
        return
    schema = CONTRACTS[job.table].arrow_schema()
    unusable: list[Bad] = []
    with tempfile.TemporaryFile() as file:
        try:
            with pa.ipc.new_stream(file, schema, options=_LZ4) as aside:
                array = elements(path, _ARRAYS.get(kind, ""))
                first = 0
                while some := list(islice(array, ENTRIES)):
                    aside.write_batch(
                        _batch_of(job, kind, [_Read(run, name, some)], unusable, first)
                    )
                    first += len(some)
        except (BrokenError, OSError) as error:
            bad.append(_broken(name, error))
            return
        bad += unusable
        file.seek(0)
        yield from pa.ipc.open_stream(file)


def _batch_of(
    job: Job, kind: str, read: Sequence[_Read], bad: list[Bad], first: int = 0
) -> pa.RecordBatch:
    """Rows of the entries of some files; `first` is the number of the first entry in its file."""
    if kind in _COLUMNS:
        try:
            found = _COLUMNS[kind]([entry for one in read for entry in one.entries])
        except columns.NotPlainError:
            if len(read) > 1:
                parts = [_batch_of(job, kind, [one], bad) for one in read]
                [batch] = pa.Table.from_batches(parts).combine_chunks().to_batches()
                return batch
        else:
            return _of_columns(job, read, found)
    lists = [_rows_of(job, kind, one, bad, first) for one in read]
    fields = _FIELDS[job.table]
    joined = [row for found_ in lists for row in found_]
    values = dict(zip(fields, zip(*joined, strict=True), strict=True)) if joined else {}
    return _batch(job, read, [len(found_) for found_ in lists], values)


def _rows_of(job: Job, kind: str, one: _Read, bad: list[Bad], first: int) -> list[rows.Row]:
    if kind == "run_spec":
        try:
            return [rows.run_row(one.entries[0])]
        except FormError as error:
            bad.append((one.name, 0, str(error)))
            return []
    found = list(_READERS[kind](one.entries))
    unusable = [row for row in found if isinstance(row, rows.Unusable)]
    path, array = Path(job.folder) / one.name, _ARRAYS.get(kind, "")
    for row in unusable:
        number = first + row.number
        bad.append((f"{one.name}[{number}]", offset_of(path, array, number), row.reason))
    return [row for row in found if not isinstance(row, rows.Unusable)]


def _of_columns(job: Job, read: Sequence[_Read], found: columns.Columns) -> pa.RecordBatch:
    """Columns of several files as a batch: each perturbation is told once and pointed to."""
    of = pa.array(found.of, pa.int32())
    described = dict(zip(_PERTURBATION, zip(*found.perturbations, strict=True), strict=True))
    ends = np.cumsum([0, *(len(one.entries) for one in read)])
    rows_to = np.cumsum([0, *found.sizes])
    counts = np.diff(rows_to[ends])

    pointed = {name: pa.array(told).take(of) for name, told in described.items()}
    return _batch(job, read, counts, {**found.values, **pointed})


def _of_foreign(
    job: Job, kind: str, files: Sequence[tuple[str, str]], bad: list[Bad]
) -> Iterator[pa.RecordBatch]:
    """Rows of another harness's files, each of which may tell of several runs."""
    for _, name in files:
        try:
            found = _FOREIGN[kind](Path(job.folder) / name)
        except (BrokenError, OSError) as error:
            bad.append(_broken(name, error))
            continue
        told: Sequence[tuple[str, rows.Row]] = getattr(found, job.table.removeprefix("helm_"))
        runs = [_Read(run, name, ()) for run, _ in told]
        values = dict(
            zip(_FIELDS[job.table], zip(*(row for _, row in told), strict=True), strict=True)
            if told
            else ()
        )
        yield _batch(job, runs, [1] * len(told), values)
        if job.table == "helm_runs":  # told once, not for every table
            bad += [(f"{name}[{entry.number}]", None, entry.reason) for entry in found.unusable]


def _batch(
    job: Job, read: Sequence[_Read], counts: Sequence[int], values: Mapping[str, Any]
) -> pa.RecordBatch:
    """A batch of the table: `counts[i]` rows of `read[i]`, the other columns in `values`; without
    any rows those may be missing."""
    schema = CONTRACTS[job.table].arrow_schema()
    total = int(sum(counts))
    whose = pa.array(np.repeat(np.arange(len(read), dtype=np.int32), counts))
    shared = {
        "suite": pa.repeat(pa.scalar(job.suite), total),
        "run": pa.array([one.run for one in read], pa.string()).take(whose),
        "source": pa.array([one.name for one in read], pa.string()).take(whose),
    }
    arrays = []
    for field in schema:
        column = shared[field.name] if field.name in shared else values.get(field.name, ())
        typed = isinstance(column, pa.Array)
        arrays.append(column.cast(field.type) if typed else pa.array(column, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _without_collector() -> Iterator[None]:
    """JSON makes millions of objects and no circles: looking for those takes half the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _size(job: Job, name: str) -> int:
    try:
        return (Path(job.folder) / name).stat().st_size
    except OSError:  # reading it will tell
        return 0


def _broken(name: str, error: BrokenError | OSError) -> Bad:
    if isinstance(error, BrokenError):
        return (name, error.offset, error.reason)
    return (name, None, f"cannot be read: {error.strerror}")
