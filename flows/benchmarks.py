"""Benchmarks: every system against its peers on this machine, both sides taken in turn.

FlexGen against accelerate      -+-> benchmarks
SmolLM2 in 4 bits               -+
functions in the sandbox        -+
HELM tables and helm-summarize  -+
SpaceTime and its rivals        -+
T1 against FNO                  -+
TART and a regression           -+
steered against plain attention -+
convolutions against attention  -+
"""

from pydantic import BaseModel, Field

from data.lake import TableRef
from models.collage.config import BenchmarkConfig as CollageBenchmark
from models.evaporate.config import BenchmarkConfig as EvaporateBenchmark
from models.flexgen.accuracy import AccuracyConfig
from models.flexgen.benchmark import BenchmarkConfig as FlexGenBenchmark
from models.flexgen.random_weights import OptShape
from models.helm.config import BenchmarkConfig as HelmBenchmark
from models.lm.config import ModelConfig
from models.sequence.config import ConvBenchmark
from models.spacetime.benchmark_config import BenchmarkConfig as SpaceTimeBenchmark
from models.t1.config import BenchmarkConfig as T1Benchmark
from models.tart.config import BenchmarkConfig as TartBenchmark
from tasks.benchmarks import (
    collage_benchmarks,
    evaporate_benchmarks,
    flexgen_accuracy,
    flexgen_benchmarks,
    helm_benchmarks,
    machine,
    sequence_benchmarks,
    spacetime_benchmarks,
    t1_benchmarks,
    tart_benchmarks,
    wikitext,
)
from tasks.lm import language_model
from tasks.pipeline import pipeline
from tasks.tart import reasoning_heads, shipped


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
    accuracy: AccuracyConfig = Field(
        default=AccuracyConfig(tokens=2048), description="what 4 bits cost; needs `data`"
    )
    model: ModelConfig = Field(
        default=ModelConfig(backend="offload"), description="the model whose accuracy is measured"
    )
    data: str = Field(
        default="", description="folder of data sets with wikitext2; empty: accuracy is left out"
    )
    evaporate: EvaporateBenchmark = Field(
        default=EvaporateBenchmark(documents=40, runs=1),
        description="functions that a model wrote, run on documents",
    )
    helm: HelmBenchmark = Field(
        default=HelmBenchmark(), description="aggregation of evaluation results; needs a suite"
    )
    sequence: ConvBenchmark = Field(
        default=ConvBenchmark(
            cases=("overhead", "core", "state_passing"),
            lengths=(1024,),
            core_lengths=(2048,),
            runs=2,
        ),
        description="operators, layers and generation",
    )
    spacetime: SpaceTimeBenchmark = Field(
        default=SpaceTimeBenchmark(
            kernels=((64, 336),), count=32, growth_lengths=(512, 1024, 2048), horizon=96, runs=3
        ),
        description="kernels and training steps",
    )
    t1: T1Benchmark = Field(
        default=T1Benchmark(grids=(64,), runs=3), description="training steps and predictions"
    )
    tart: TartBenchmark = Field(
        default=TartBenchmark(), description="calls of the reasoning head and prompts"
    )
    tart_model: ModelConfig = Field(
        default=ModelConfig(), description="the model whose prompts share prefixes"
    )
    collage: CollageBenchmark = Field(
        default=CollageBenchmark(runs=3), description="steered attention"
    )


PROFILES = {
    "quick": BenchmarksConfig(),
    "standard": BenchmarksConfig(
        flexgen=FlexGenBenchmark(),
        accuracy=AccuracyConfig(),
        evaporate=EvaporateBenchmark(),
        sequence=ConvBenchmark(),
        spacetime=SpaceTimeBenchmark(),
        t1=T1Benchmark(),
        tart=TartBenchmark(examples=32),
        collage=CollageBenchmark(),
    ),
    "paper": BenchmarksConfig(
        flexgen=FlexGenBenchmark(runs=3),
        accuracy=AccuracyConfig(),
        evaporate=EvaporateBenchmark(),
        sequence=ConvBenchmark(runs=5),
        spacetime=SpaceTimeBenchmark(runs=20),
        t1=T1Benchmark(runs=20),
        tart=TartBenchmark(examples=32, loo_runs=3),
        collage=CollageBenchmark(runs=20),
    ),
}


@pipeline("benchmarks")
def benchmarks(config: BenchmarksConfig = PROFILES["quick"]) -> TableRef:
    """One system after the other, so that none takes the processor from another."""
    flexgen_benchmarks(config.flexgen, machine())
    if config.data:
        model = language_model(config.model)
        flexgen_accuracy(model, wikitext(config.data), config.accuracy, machine())
    evaporate_benchmarks(config.evaporate, machine())
    if config.helm.suite:
        helm_benchmarks(config.helm, machine())
    sequence_benchmarks(config.sequence, machine())
    spacetime_benchmarks(config.spacetime, machine())
    head, reader = reasoning_heads(shipped("small")), language_model(config.tart_model)
    tart_benchmarks(head, reader, config.tart, machine())
    collage_benchmarks(config.collage, machine())
    return t1_benchmarks(config.t1, machine())
