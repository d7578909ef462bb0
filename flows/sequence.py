"""Sequence models: train convolutional and attention layers on tasks and texts, and time them.

task  -> sequence_models -+-> sequence_scores
text  -> sequence_models -+
operators of one width and length -> conv_benchmarks
"""

from typing import Literal

from pydantic import BaseModel, Field

from data.lake import TableRef
from data.synthetic.sequences.problems import Asked, TaskConfig
from models.sequence.config import (
    BackboneConfig,
    ConvBenchmark,
    HyenaConfig,
    Kind,
    LongConvConfig,
    SsmConfig,
    TrainConfig,
)
from tasks.benchmarks import machine
from tasks.pipeline import pipeline
from tasks.produces import results
from tasks.sequence import (
    FitConfig,
    TextConfig,
    conv_benchmarks,
    sequence_models,
    sequence_scores,
    text_in,
    text_models,
)


class SweepConfig(BaseModel, frozen=True, extra="forbid"):
    """One task, the backbones fitted to it, and the seeds each is fitted with."""

    task: TaskConfig = Field(default=TaskConfig(), description="what is learnt")
    fits: tuple[FitConfig, ...] = Field(
        default=(FitConfig(),), min_length=1, description="backbones and their training"
    )
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="one fit of each a seed")
    test_lengths: tuple[int, ...] = Field(
        default=(), description="lengths to test at besides the one trained with"
    )


class TextSweepConfig(BaseModel, frozen=True, extra="forbid"):
    """One text, and the backbones that are trained to continue it, on equally many tokens."""

    text: TextConfig = Field(default=TextConfig(), description="what is read")
    fits: tuple[FitConfig, ...] = Field(default=(), description="backbones and their training")


class SequenceConfig(BaseModel, frozen=True, extra="forbid"):
    """Tasks, texts and timings of a run."""

    sweeps: tuple[SweepConfig, ...] = Field(
        default=(), description="synthetic tasks with their backbones"
    )
    texts: tuple[TextSweepConfig, ...] = Field(
        default=(), description="texts with their backbones; need `folder`"
    )
    folder: str = Field(
        default="", description="folder of data sets with tinyshakespeare; empty: no texts"
    )
    benchmark: ConvBenchmark = Field(default=ConvBenchmark(), description="what is timed, how long")


def _pure(kind: Kind, layers: int = 2, **sizes: int | float | bool) -> BackboneConfig:
    """Layers of one kind; attention alone needs positions."""
    return BackboneConfig(pattern=(kind,) * layers, positions=kind == "attention", **sizes)


def _synthetic(
    name: Literal["recall", "induction"], asked: Asked, train: TrainConfig
) -> SweepConfig:
    """H3's two tasks at length 20, for H3 with heads of 8, S4D and attention.

    A shift SSM of 16 taps, so that all of them are trained: more would stay as drawn beyond
    length 20, and disturb at length 40.
    """
    kinds: tuple[Kind, ...] = ("h3", "s4d", "attention")
    ssm = SsmConfig(head_dim=8, shift=16)
    fits = tuple(
        FitConfig(model=_pure(kind, dropout=0.0).model_copy(update={"ssm": ssm}), train=train)
        for kind in kinds
    )
    vocabulary = {"recall": 10, "induction": 20}[name]
    task = TaskConfig(name=name, length=20, vocabulary=vocabulary, asked=asked)
    return SweepConfig(task=task, fits=fits, test_lengths=(40,))


def _long_recall() -> SweepConfig:
    """Hyena's recall at length 512, for its implicit filters and for explicit ones of 64 taps."""
    kinds: tuple[Kind, ...] = ("hyena", "conv1d")
    train = TrainConfig(epochs=60, learning_rate=1e-3, stop_at=0.998, checks=60)
    task = TaskConfig(name="recall", length=512, vocabulary=10, train=2000, asked="answer")
    fits = tuple(
        FitConfig(model=_pure(kind, width=64, mlp=256, dropout=0.0), train=train) for kind in kinds
    )
    return SweepConfig(task=task, fits=fits)


def _digits(train: TrainConfig, seeds: tuple[int, ...]) -> SweepConfig:
    fits = tuple(
        FitConfig(
            model=_pure("long_conv", width=48, mlp=0).model_copy(
                update={"long": LongConvConfig(squash=squash)}
            ),
            train=train, variant=f"squash={squash:g}",
        )
        for squash in (0.003, 0.0)
    )  # fmt: skip
    return SweepConfig(task=TaskConfig(name="digits"), fits=fits, seeds=seeds)


def _addition(digits: int) -> SweepConfig:
    """One layer of Hyena; every further digit wants more examples."""
    model = _pure("hyena", 1, width=64, mlp=256, dropout=0.0)
    train = TrainConfig(epochs=40, batch=64, learning_rate=2e-3)
    examples = {2: 4000, 3: 10_000, 4: 20_000}[digits]
    task = TaskConfig(name="addition", length=digits, train=examples)
    return SweepConfig(task=task, fits=(FitConfig(model=model, train=train),))


def _mqar(length: int, pairs: int, train: TrainConfig) -> SweepConfig:
    patterns: tuple[tuple[Kind, ...], ...] = (
        ("attention",) * 2, ("hyena",) * 2, ("h3",) * 2, ("long_conv",) * 2, ("hyena", "attention"),
    )  # fmt: skip
    fits = tuple(
        FitConfig(
            model=BackboneConfig(
                pattern=pattern, width=64, mlp=0, positions=set(pattern) == {"attention"}
            ),
            train=train,
            variant=f"{pairs} pairs",
        )
        for pattern in patterns
    )
    task = TaskConfig(
        name="mqar", length=length, pairs=pairs, vocabulary=8192, train=20_000, test=1000
    )
    return SweepConfig(task=task, fits=fits)


def text_fits(layers: int, width: int, train: TrainConfig) -> tuple[FitConfig, ...]:
    """Transformer, Hyena, H3 with attention in layers 2 and 2 + N / 2, and pure H3, equally large.

    Section 5.1 of H3 places the two attention layers so.
    """
    hybrid: list[Kind] = ["h3"] * layers
    hybrid[min(1, layers - 1)] = hybrid[min(1 + layers // 2, layers - 1)] = "attention"
    pure: tuple[Kind, ...] = ("attention", "hyena", "h3")
    patterns: list[tuple[Kind, ...]] = [(kind,) * layers for kind in pure]
    patterns.append(tuple(hybrid))
    return tuple(
        FitConfig(
            model=BackboneConfig(
                pattern=pattern, width=width, mlp=4 * width, heads=max(width // 64, 1), tied=True,
                positions=set(pattern) == {"attention"}, residual_dropout=0.1,
                hyena=HyenaConfig(features=33, frequency=14.0),
            ),
            train=train,
        )
        for pattern in patterns
    )  # fmt: skip


_BRIEF = TrainConfig(epochs=2, learning_rate=2e-3, checks=2)
_TEXT = TrainConfig(epochs=1.5, batch=8, learning_rate=2e-3, checks=5)

PROFILES = {
    "quick": SequenceConfig(
        sweeps=(_synthetic("recall", "answer", _BRIEF), _synthetic("induction", "answer", _BRIEF)),
        texts=(
            TextSweepConfig(
                text=TextConfig(vocabulary=300, length=64, share=0.05),
                fits=text_fits(2, 32, _BRIEF),
            ),
        ),
        benchmark=ConvBenchmark(cases=("overhead", "core", "state_passing"), runs=2),
    ),
    "standard": SequenceConfig(
        sweeps=(
            _synthetic("recall", "answer", TrainConfig(epochs=25, learning_rate=2e-3)),
            _synthetic("induction", "answer", TrainConfig(epochs=15, learning_rate=2e-3)),
            _long_recall(),
            *map(_addition, (2, 3, 4)),
            _digits(TrainConfig(epochs=40, learning_rate=2e-3, weight_decay=0.01), (0, 1, 2)),
            _mqar(64, 4, TrainConfig(epochs=16, batch=256, learning_rate=3e-3, stop_at=0.99)),
        ),
        texts=(TextSweepConfig(fits=text_fits(6, 256, _TEXT)),),
        benchmark=ConvBenchmark(
            lengths=tuple(2**i for i in range(6, 17)), core_lengths=(8192, 65536),
            layer_lengths=(2048, 8192), ssm_length=16384, memory_length=65536, prompt=1024,
            tokens=(128, 256), generation_batch=64, generation_layers=8,
        ),
    ),
    # Published sizes; wants a CUDA GPU.
    "paper": SequenceConfig(
        sweeps=(
            _synthetic("recall", "everywhere", TrainConfig(epochs=200, device="cuda")),
            _synthetic("induction", "everywhere", TrainConfig(epochs=400, device="cuda")),
            *(
                _mqar(length, length // 16, TrainConfig(
                    epochs=64, batch=256, learning_rate=2e-3, device="cuda"))
                for length in (64, 128, 256, 512)
            ),
        ),
        texts=(
            TextSweepConfig(
                text=TextConfig(name="wikitext2", vocabulary=8192, length=1024),
                fits=text_fits(12, 768, TrainConfig(
                    epochs=20, batch=32, learning_rate=6e-4, device="cuda", amp=True)),
            ),
        ),
        benchmark=ConvBenchmark(
            width=768, lengths=tuple(2**i for i in range(8, 17)), core_lengths=(8192, 65536),
            layer_lengths=(2048, 8192, 65536), layer_width=768, ssm_length=16384,
            memory_length=65536, prompt=1024, tokens=(128,), generation_batch=64,
            device="cuda",
        ),
    ),
}  # fmt: skip


@pipeline("sequence")
def sequence(config: SequenceConfig = PROFILES["quick"]) -> TableRef:
    """Trains every backbone on every task, scores them all, then times the operators alone."""
    trained = results(
        sequence_models.submit_each(
            (sweep.task, fit.model_copy(update={"seed": seed}), sweep.test_lengths)
            for sweep in config.sweeps
            for fit in sweep.fits
            for seed in sweep.seeds
        )
    )
    if config.folder:
        trained += results(
            text_models.submit_each(
                (text_in(config.folder, sweep.text), fit)
                for sweep in config.texts
                for fit in sweep.fits
            )
        )
    conv_benchmarks(config.benchmark, machine())
    return sequence_scores(trained)
