"""Steps of the benchmarks: each measures one system against its peers, both sides in one run."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, Field

from data.datasets.documents import read_documents, scan
from data.datasets.evaluation import evaluation_digest, read_wikitext
from data.datasets.packages import read_packages
from data.lake import TableRef
from data.lake.tables.house import Benchmarks
from models.collage.config import BenchmarkConfig as CollageBenchmark
from models.evaporate.config import BenchmarkConfig as EvaporateBenchmark
from models.flexgen.accuracy import AccuracyConfig
from models.flexgen.benchmark import BenchmarkConfig as FlexGenBenchmark
from models.helm.config import BenchmarkConfig as HelmBenchmark
from models.measuring import Measurement
from models.sequence.config import ConvBenchmark
from models.spacetime.benchmark_config import BenchmarkConfig as SpaceTimeBenchmark
from models.t1.config import BenchmarkConfig as T1Benchmark
from models.tart.config import BenchmarkConfig as TartBenchmark
from tasks.flexgen import weights_of
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


class Text(BaseModel, frozen=True, extra="forbid"):
    """The text of a data set by what is in it; where it lies does not matter."""

    digest: str = Field(description="SHA-256 of its files")
    folder: str = Field(exclude=True, description="folder of data sets")


def wikitext(folder: str) -> Text:
    """WikiText-2 in a folder of data sets."""
    return Text(digest=evaluation_digest(folder, ["wikitext2"]), folder=folder)


@produces("benchmarks", version=1)
def flexgen_accuracy(model: TableRef, text: Text, config: AccuracyConfig, machine: str) -> pa.Table:
    """Perplexity of WikiText-2 with weights and cache in 4 bits against full precision."""
    from models.flexgen.accuracy import accuracy
    from models.flexgen.weights import WeightFolder
    from models.lm.text import TextCodec

    name, folder = weights_of(model)
    paragraphs = read_wikitext(Path(text.folder) / "wikitext2")
    ids = TextCodec(folder).encode("\n".join(paragraphs))
    with tempfile.TemporaryDirectory(prefix="headwater-") as scratch:
        bar = progress_bar("scoring WikiText-2")
        found = accuracy(WeightFolder(folder), name, list(ids), config, Path(scratch), progress=bar)
        return _rows("flexgen", found)


@produces("benchmarks", version=1)
def evaporate_benchmarks(config: EvaporateBenchmark, machine: str) -> pa.Table:
    """A hundred functions on documents, in the sandbox and without it."""
    from models.evaporate.benchmark import sandbox_speed

    if config.folder:
        files, _ = scan(config.folder)
        found, _ = read_documents(config.folder, files[: config.documents])
    else:
        found, _ = read_packages()
    texts = [document.text for document in found[: config.documents]]
    return _rows("evaporate", sandbox_speed(texts, config.runs))


@produces("benchmarks", version=1)
def t1_benchmarks(config: T1Benchmark, machine: str) -> pa.Table:
    """T1 against FNO, and our FNO against neuraloperator's."""
    from models.t1.benchmark import benchmark

    return _rows("t1", benchmark(config, progress_bar("measuring T1")))


@produces("benchmarks", version=1)
def sequence_benchmarks(config: ConvBenchmark, machine: str) -> pa.Table:
    """Long convolutions against attention, the bare transform and one another."""
    from models.sequence.benchmark import benchmark

    return _rows("sequence", benchmark(config, progress_bar("measuring convolutions")))


@produces("benchmarks", version=1)
def spacetime_benchmarks(config: SpaceTimeBenchmark, machine: str) -> pa.Table:
    """Companion kernels against repeated squaring, training steps against equally wide rivals."""
    from models.spacetime.benchmark import benchmark

    return _rows("spacetime", benchmark(config, progress_bar("measuring SpaceTime")))


@produces("benchmarks", version=1)
def tart_benchmarks(
    head: TableRef, model: TableRef, config: TartBenchmark, machine: str
) -> pa.Table:
    """One call of the reasoning head, and leave-one-out representations by shared prefixes."""
    from models.tart.benchmark import benchmark
    from tasks.tart import open_head
    from tasks.tart_few_shot import opened

    bar = progress_bar("measuring TART")
    return _rows("tart", benchmark(config, open_head(head), opened(model)[0], bar))


@produces("benchmarks", version=1)
def collage_benchmarks(config: CollageBenchmark, machine: str) -> pa.Table:
    """Sampling with steered attention against sampling without."""
    from models.collage.benchmark import benchmark

    return _rows("collage", benchmark(config, progress_bar("measuring steered attention")))


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
