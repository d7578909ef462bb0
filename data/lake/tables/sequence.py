"""Tables of the sequence models: what was trained, its scores, and what convolutions cost."""

from datetime import datetime

from data.lake.contract import Contract, column

_TASK = "what is learnt: a synthetic task, or language modelling of a text"
_MODEL = "mixers of the layers, first layer first, runs of one kind as kind x number"
_LENGTH = "length the task was trained with, in the task's own measure"


class SequenceModels(
    Contract,
    table="sequence_models",
    unique=("task", "model", "length", "vocabulary", "variant", "seed"),
    partition=("task", "model", "length", "vocabulary", "variant", "seed"),
):
    """Every trained backbone with its weights and the course of its fit, one a snapshot."""

    task: str = column(_TASK)
    model: str = column(_MODEL)
    length: int = column(_LENGTH, ge=1)
    vocabulary: int = column("tokens V of the task", ge=0)
    variant: str = column("what sets it apart from its namesakes, e.g. squash=0; empty without")
    seed: int = column("random seed of weights and batches", ge=0)
    width: int = column("channels D", ge=1)
    layers: int = column("blocks", ge=1)
    parameters: int = column("trained numbers", ge=1)
    steps: int = column("optimiser steps", ge=0)
    train_seconds: float = column("time of the fit, looks left out", unit="s", ge=0)
    look_steps: list[int] = column("steps at each look")
    train_course: list[float] = column("mean loss since the look before [nats or squares]")
    validation_course: list[float] = column("the task's metric on the validation split")
    metric: str = column("accuracy, exact, perplexity or mse")
    test_lengths: list[int] = column("lengths it is tested at, the one trained with first")
    held_out: list[int] | None = column("tokens of the text's test part; null for other tasks")
    tokenizer: str | None = column("tokenizer.json of a language model; null for other tasks")
    settings: str = column("task as JSON")
    config: str = column("backbone as JSON")
    weights: bytes = column("weights as safetensors")


class SequenceScores(
    Contract,
    table="sequence_scores",
    unique=("task", "model", "length", "test_length", "vocabulary", "variant", "seed", "metric"),
):
    """Every trained backbone on the test split of its task, at its length and at others."""

    task: str = column(_TASK)
    model: str = column(_MODEL)
    length: int = column(_LENGTH, ge=1)
    test_length: int = column("length while testing", ge=1)
    vocabulary: int = column("tokens V of the task", ge=0)
    variant: str = column("what sets it apart from its namesakes, e.g. squash=0; empty without")
    seed: int = column("random seed of weights and batches", ge=0)
    metric: str = column("accuracy, exact, perplexity or mse")
    value: float = column("the metric; shares are from 0 to 1", ge=0)
    chance: float | None = column("the metric of a guess; null where there is no such thing", ge=0)
    n_test: int = column("test examples", ge=1)
    width: int = column("channels D", ge=1)
    layers: int = column("blocks", ge=1)
    parameters: int = column("trained numbers", ge=1)
    train_seconds: float = column("time of the fit, looks left out", unit="s", ge=0)


class ConvBenchmarks(
    Contract,
    table="conv_benchmarks",
    unique=("op", "L", "D", "batch", "dtype", "threads", "device", "ours", "peer", "unit"),
):
    """Convolutions against their peers: medians of runs taken in turn, in one process."""

    op: str = column("what was done")
    L: int = column("length of the sequences", unit="steps", ge=1)
    D: int = column("channels", ge=1)
    batch: int = column("sequences at once B", ge=1)
    dtype: str = column("number format of the computation")
    threads: int = column("threads both sides could use", ge=1)
    device: str = column("cpu, or the name of the CUDA device")
    ours: str = column("what stood on our side")
    peer: str = column("what it was compared with")
    unit: str = column("s, or bytes where memory was measured")
    seconds: float | None = column("our median; null where memory was measured", unit="s", gt=0)
    value: float = column("our median, in `unit`", ge=0)
    peer_value: float = column("the peer's median, in `unit`", ge=0)
    ratio: float = column("above 1 ours is better, whatever the unit", ge=0)
    runs: int = column("runs the medians are over", ge=1)
    versions: str = column("versions of what was compared, as JSON")
    measured_at: datetime = column("when it was measured (UTC)")
