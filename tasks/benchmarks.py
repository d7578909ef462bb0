"""Steps of the benchmarks: each measures one system against its peers, both sides in one run."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from data.lake.tables.house import Benchmarks
from models.flexgen.benchmark import BenchmarkConfig as FlexGenBenchmark
from models.helm.config import BenchmarkConfig as HelmBenchmark
from models.measuring import Measurement
from models.t1.config import BenchmarkConfig as T1Benchmark
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.provenance import cores


def machine() -> str:
    """This machine in a line: a figure measured on another one is no hit here."""
    return f"{platform.node()}, {platform.machine()}, {cores()} cores"


@produces("benchmarks", version=1)
def flexgen_benchmarks(config: FlexGenBenchmark, machine: str) -> pa.Table:
    """FlexGen's engine against accelerate within the same memory, and against itself."""
    from models.flexgen.benchmark import benchmark

    with tempfile.TemporaryDirectory(prefix="headwater-") as scratch:
        bar = progress_bar("measuring FlexGen")
        return _rows("flexgen", benchmark(config, Path(scratch), bar))


@produces("benchmarks", version=1)
def t1_benchmarks(config: T1Benchmark, machine: str) -> pa.Table:
    """T1 against FNO, and our FNO against neuraloperator's."""
    from models.t1.benchmark import benchmark

    return _rows("t1", benchmark(config, progress_bar("measuring T1")))


@produces("benchmarks", version=1)
def helm_benchmarks(config: HelmBenchmark, machine: str) -> pa.Table:
    """Reading and aggregating evaluation results against helm-summarize."""
    from tasks.helm_benchmark import measure

    with tempfile.TemporaryDirectory(prefix="headwater-") as scratch:
        return _rows("helm", measure(config, Path(scratch)))


def _rows(system: str, measured: Iterable[Measurement]) -> pa.Table:
    rows = [
        {
            "system": system,
            "case": one.case,
            "size": one.size,
            "device": one.device,
            "threads": one.threads,
            "dtype": one.dtype,
            "ours": one.ours,
            "ours_value": one.ours_value,
            "peer": one.peer,
            "peer_value": one.peer_value,
            "unit": one.unit,
            "ratio": one.ratio,
            "runs": one.runs,
            "versions": json.dumps(dict(one.versions), sort_keys=True),
            "measured_at": datetime.now(UTC),
        }
        for one in measured
    ]
    return pa.Table.from_pylist(rows, schema=Benchmarks.arrow_schema())
