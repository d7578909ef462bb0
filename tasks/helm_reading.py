"""Reading result files into Arrow files: what a worker process of tasks/helm_ingest.py does.

Apart from the steps, so that a fresh process is at work without loading Prefect.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from data.lake.tables import CONTRACTS
from models.helm import foreign, rows
from models.helm.streaming import LARGE, BrokenError, elements, load, offset_of

BATCH = 131_072  # rows
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


def read_job(job: Job, target: str) -> list[Bad]:
    """Reads a job's files and writes their rows to the Arrow file `target`; what was unusable.

    Rows of a file that turns out to be broken are not written.
    """
    schema = CONTRACTS[job.table].arrow_schema()
    bad: list[Bad] = []
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    held: list[pa.RecordBatch] = []
    with pa.OSFile(target, "wb") as sink, pa.ipc.new_stream(sink, schema, options=options) as out:

        def flush() -> None:
            table = pa.Table.from_batches(held, schema).combine_chunks()
            out.write_table(table)
            held.clear()

        for run, kind, name in job.files:
            path = Path(job.folder) / name
            try:
                if path.stat().st_size >= LARGE:
                    bad += _read_large(job, run, kind, name, out)
                    continue
                batches = list(_batches(job, run, kind, name, bad))
            except (BrokenError, OSError) as error:
                bad.append(_broken(name, error))
                continue
            held += batches
            if _rows(held) >= BATCH:
                flush()
        flush()
    return bad


def _read_large(job: Job, run: str, kind: str, name: str, out: Any) -> list[Bad]:
    """A file whose rows may not fit in memory: set down on disk until the file proves whole."""
    bad: list[Bad] = []
    schema = CONTRACTS[job.table].arrow_schema()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with tempfile.TemporaryFile() as file:
        with pa.ipc.new_stream(file, schema, options=options) as aside:
            for batch in _batches(job, run, kind, name, bad):
                aside.write_batch(batch)
        file.seek(0)
        for batch in pa.ipc.open_stream(file):
            out.write_batch(batch)
    return bad


def _batches(job: Job, run: str, kind: str, name: str, bad: list[Bad]) -> Iterator[pa.RecordBatch]:
    """A file's rows, BATCH at a time; entries that are no rows are added to `bad` at the end.

    Raises BrokenError or OSError at whatever point the file breaks.
    """
    path = Path(job.folder) / name
    if kind in _FOREIGN:
        found = _FOREIGN[kind](path)
        yield from _of_runs(job, name, getattr(found, job.table.removeprefix("helm_")))
        if job.table == "helm_runs":  # told once, not for every table
            bad += [(f"{name}[{entry.number}]", None, entry.reason) for entry in found.unusable]
        return
    if kind == "run_spec":
        try:
            yield _batch(job, run, name, [rows.run_row(load(path))])
        except rows.FormError as error:
            bad.append((name, 0, str(error)))
        return
    array = _ARRAYS.get(kind, "")
    unusable: list[rows.Unusable] = []
    read = _READERS[kind](elements(path, array))
    while some := list(islice(read, BATCH)):
        good = [row for row in some if type(row) is tuple]
        if len(good) < len(some):
            unusable += [row for row in some if isinstance(row, rows.Unusable)]
        yield _batch(job, run, name, good)
    bad += [
        (f"{name}[{entry.number}]", offset_of(path, array, entry.number), entry.reason)
        for entry in unusable
    ]


def _of_runs(
    job: Job, name: str, found: Sequence[tuple[str, rows.Row]]
) -> Iterator[pa.RecordBatch]:
    for run in dict.fromkeys(own for own, _ in found):
        yield _batch(job, run, name, [row for own, row in found if own == run])


def _batch(job: Job, run: str, name: str, found: Sequence[rows.Row]) -> pa.RecordBatch:
    """Rows of one file and run as columns; what they share is not repeated in memory."""
    schema = CONTRACTS[job.table].arrow_schema()
    columns = dict(zip(_FIELDS[job.table], zip(*found, strict=True), strict=True)) if found else {}
    shared = {"suite": job.suite, "run": run, "source": name}
    return pa.RecordBatch.from_arrays(
        [
            pa.repeat(pa.scalar(shared[field.name], field.type), len(found))
            if field.name in shared
            else pa.array(columns.get(field.name, ()), field.type)
            for field in schema
        ],
        schema=schema,
    )


def _rows(held: Sequence[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in held)


def _broken(name: str, error: BrokenError | OSError) -> Bad:
    if isinstance(error, BrokenError):
        return (name, error.offset, error.reason)
    return (name, None, f"cannot be read: {error.strerror}")
