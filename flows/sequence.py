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
    name: Literal["recall", "induction"], length: int, asked: Asked, train: TrainConfig
) -> SweepConfig:
    """H3's two tasks for H3 with heads of 8, S4D and attention, tested at twice the length too.

    A shift SSM of 16 taps, so that all of them are trained: more would stay as drawn beyond
    length 20, and disturb at length 40.
    """
    kinds: tuple[Kind, ...] = ("h3", "s4d", "attention")
    ssm = SsmConfig(head_dim=8, shift=16)
    dropout = 0.1 if asked == "everywhere" else 0.0  # of the embedding, as published
    fits = tuple(
        FitConfig(model=_pure(kind, dropout=dropout).model_copy(update={"ssm": ssm}), train=train)
        for kind in kinds
    )
    vocabulary = {"recall": 10, "induction": 20}[name]
    task = TaskConfig(name=name, length=length, vocabulary=vocabulary, asked=asked)
    return SweepConfig(task=task, fits=fits, test_lengths=(2 * length,))


def _long_recall() -> SweepConfig:
    """Hyena's recall at length 512, for its implicit filters and for explicit ones.

    The four keys of vocabulary 10 come back every eight tokens: 64 taps see them, 4 do not, and
    are given a third of the time, twice what Hyena takes.
    """
    train = TrainConfig(epochs=60, learning_rate=1e-3, stop_at=0.998, checks=60)
    task = TaskConfig(name="recall", length=512, vocabulary=10, train=2000, asked="answer")
    hyena = FitConfig(model=_pure("hyena", width=64, mlp=256, dropout=0.0), train=train)
    explicit = (
        FitConfig(
            model=_pure("conv1d", width=64, mlp=256, dropout=0.0).model_copy(
                update={"hyena": HyenaConfig(conv1d_taps=taps)}
            ),
            train=train.model_copy(update={"epochs": epochs}), variant=f"{taps} taps",
        )
        for taps, epochs in ((64, 60), (4, 20))
    )  # fmt: skip
    return SweepConfig(task=task, fits=(hyena, *explicit))


def _squash(task: TaskConfig, train: TrainConfig, *, bidirectional: bool) -> SweepConfig:
    """Long convolutions without the squash operator and with it, on the same three seeds."""
    fits = tuple(
        FitConfig(
            model=_pure("long_conv", width=48, mlp=0).model_copy(
                update={"long": LongConvConfig(squash=squash, bidirectional=bidirectional)}
            ),
            train=train, variant=f"squash={squash:g}",
        )
        for squash in (0.0, 0.002)
    )  # fmt: skip
    return SweepConfig(task=task, fits=fits, seeds=(0, 1, 2))


def _addition(digits: int) -> SweepConfig:
    """One layer of Hyena; every further digit wants more examples."""
    model = _pure("hyena", 1, width=64, mlp=256, dropout=0.0)
    train = TrainConfig(epochs=40, batch=64, learning_rate=2e-3)
    examples = {2: 4000, 3: 15_000, 4: 20_000}[digits]
    task = TaskConfig(name="addition", length=digits, train=examples)
    return SweepConfig(task=task, fits=(FitConfig(model=model, train=train),))


def _mqar(length: int, vocabulary: int, train: TrainConfig) -> SweepConfig:
    """Recall of many pairs, one for every 16 tokens, by pure layers and a hybrid."""
    patterns: tuple[tuple[Kind, ...], ...] = (
        ("hyena", "attention"), ("attention",) * 2, ("hyena",) * 2, ("h3",) * 2, ("long_conv",) * 2,
    )  # fmt: skip
    fits = tuple(
        FitConfig(
            model=BackboneConfig(
                pattern=pattern, width=64, mlp=0, positions=set(pattern) == {"attention"}
            ),
            train=train,
        )
        for pattern in patterns
    )
    task = TaskConfig(
        name="mqar", length=length, pairs=length // 16, vocabulary=vocabulary, train=20_000,
        test=1000,
    )  # fmt: skip
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
_PUBLISHED_INDUCTION = TrainConfig(epochs=400, learning_rate=5e-4, stop_at=1.0, checks=40)
_TEXT = TrainConfig(epochs=1.5, batch=8, learning_rate=2e-3, checks=5)

PROFILES = {
    "quick": SequenceConfig(
        sweeps=(
            _synthetic("recall", 20, "answer", _BRIEF),
            _synthetic("induction", 20, "answer", _BRIEF),
        ),
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
            _synthetic("recall", 20, "answer", TrainConfig(epochs=25, learning_rate=2e-3)),
            _long_recall(),
            *map(_addition, (2, 3, 4)),
            _squash(
                TaskConfig(name="digits"),
                TrainConfig(epochs=40, learning_rate=2e-3, weight_decay=0.01),
                bidirectional=False,
            ),
            *(
                _synthetic("induction", length, "everywhere", _PUBLISHED_INDUCTION)
                for length in (20, 30)
            ),
            _squash(
                TaskConfig(name="listops", length=128, train=4000, test=1000),
                TrainConfig(epochs=20, batch=50, learning_rate=5e-3, weight_decay=0.05, checks=5),
                bidirectional=True,
            ),
            *(
                _mqar(length, 512, TrainConfig(
                    epochs=16, batch=64, learning_rate=2e-3, stop_at=0.99, checks=32))
                for length in (64, 128, 256)
            ),
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
            _synthetic("recall", 20, "everywhere", TrainConfig(epochs=200, device="cuda")),
            _synthetic("induction", 30, "everywhere", TrainConfig(epochs=400, device="cuda")),
            *(
                _mqar(length, 8192, TrainConfig(
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
