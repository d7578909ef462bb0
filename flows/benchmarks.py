"""Benchmarks: every system against its peers on this machine, both sides taken in turn.

FlexGen against accelerate -+-> benchmarks
T1 against FNO             -+
"""

from pydantic import BaseModel, Field

from data.lake import TableRef
from models.flexgen.benchmark import BenchmarkConfig as FlexGenBenchmark
from models.flexgen.random_weights import OptShape
from models.t1.config import BenchmarkConfig as T1Benchmark
from tasks.benchmarks import flexgen_benchmarks, machine, t1_benchmarks
from tasks.pipeline import pipeline


class BenchmarksConfig(BaseModel, frozen=True, extra="forbid"):
    """How large the things are that are measured."""

    flexgen: FlexGenBenchmark = Field(
        default=FlexGenBenchmark(
            shape=OptShape(layers=4, width=256, heads=4, vocab=2000, dtype="bfloat16"),
            requests=16,
            prompt=16,
            tokens=4,
            batches=(8, 16),
            grid_shape=OptShape(layers=2, width=256, heads=4, vocab=2000, dtype="bfloat16"),
            grid_runs=1,
        ),
        description="generation with offloaded weights",
    )
    t1: T1Benchmark = Field(
        default=T1Benchmark(grids=(64,), runs=3), description="training steps and predictions"
    )


PROFILES = {
    "quick": BenchmarksConfig(),
    "standard": BenchmarksConfig(flexgen=FlexGenBenchmark(), t1=T1Benchmark()),
    "paper": BenchmarksConfig(flexgen=FlexGenBenchmark(runs=3), t1=T1Benchmark(runs=20)),
}


@pipeline("benchmarks")
def benchmarks(config: BenchmarksConfig = PROFILES["quick"]) -> TableRef:
    """One system after the other, so that none takes the processor from another."""
    flexgen_benchmarks(config.flexgen, machine())
    return t1_benchmarks(config.t1, machine())
