"""Sequence tasks by name: what they are made of, and how they are asked and scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, Field, model_validator

from data.synthetic.sequences.examples import Examples, Split

TaskName = Literal[
    "induction", "recall", "majority", "counting", "linear_functions", "addition", "mqar",
    "mad_recall", "mad_noisy_recall", "mad_fuzzy_recall", "mad_copying", "mad_memorisation",
    "mad_compression", "listops", "pathfinder", "digits",
]  # fmt: skip


Asked = Literal["everywhere", "answer"]


class TaskConfig(BaseModel, frozen=True, extra="forbid"):
    """One task at one size; a split is the same whenever it is drawn."""

    name: TaskName = Field(default="recall", description="kind of task")
    length: int = Field(
        default=20, ge=2, description="L: tokens before the question; pixels a side of pathfinder; "
        "digits of an addend; points of linear functions"
    )  # fmt: skip
    test_length: int | None = Field(
        default=None, ge=2, description="the same while testing; null: as in training"
    )
    vocabulary: int = Field(default=10, ge=2, description="tokens V, special ones counted")
    pairs: int = Field(default=4, ge=1, description="key-value pairs K of mqar")
    train: int = Field(default=5000, ge=1, description="train examples; 5000 (H3), 2000 (Hyena)")
    test: int = Field(default=500, ge=1, description="test examples; 500")
    seed: int = Field(default=0, ge=0, description="seed of the examples")
    asked: Asked = Field(
        default="everywhere", description="where training examples of recall and of MAD's tasks "
        "have targets; the papers' everywhere: most of them are tokens that none can foretell"
    )  # fmt: skip

    @model_validator(mode="after")
    def _sizes(self) -> TaskConfig:
        if self.name == "mqar" and (self.length % 2 or 4 * self.pairs > self.length):
            raise ValueError(f"mqar: an even length of at least 4 K, not {self.length}")
        return self


class Form(NamedTuple):
    """What a model needs to know of a task."""

    vocabulary: int  # 0: inputs are vectors
    channels: int
    outputs: int
    pool: bool  # one answer an example
    metric: Literal["accuracy", "exact", "mse"]
    chance: float | None  # the metric of a guess; null where there is no such thing


def form(config: TaskConfig) -> Form:
    """How a task's inputs and answers look."""
    V = config.vocabulary
    tokens = Form(V, 1, V, False, "accuracy", 1 / V)
    special: dict[TaskName, Form] = {
        "digits": Form(0, 1, 10, True, "accuracy", 0.1),
        "pathfinder": Form(0, 1, 2, True, "accuracy", 0.5),
        "listops": Form(16, 1, 10, True, "accuracy", 0.1),
        "linear_functions": Form(0, V + 1, 1, False, "mse", 1.0),
        "addition": Form(10, 1, 10, False, "exact", 0.1**config.length / 2),
        "recall": tokens._replace(chance=1 / max((V - 2) // 2, 1)),
        "mqar": tokens._replace(chance=2 / V),
        "mad_compression": tokens._replace(chance=1 / (V - 1)),
    }
    return special.get(config.name, tokens)


def draw(config: TaskConfig, split: Split) -> Examples:
    """The examples of one split; only training may ask at every position."""
    from data.synthetic.sequences import associative, hyena_suite, mad
    from data.synthetic.sequences.digits import sequential_digits
    from data.synthetic.sequences.listops import listops
    from data.synthetic.sequences.mqar import mqar
    from data.synthetic.sequences.pathfinder import pathfinder

    training = split == "train"
    answers = not training or config.asked == "answer"
    n = config.train if training else config.test
    L, V = config.length, config.vocabulary
    if split == "test" and config.test_length:
        L = config.test_length
    seeds = (config.seed, {"train": 0, "validation": 1, "test": 2}[split])
    rng = np.random.default_rng(seeds)
    # Segment seeds as published: train below 2^31, all others above.
    segment = int(rng.integers(2**31)) + (0 if training else 2**31)
    makers: dict[TaskName, Callable[[], Examples]] = {
        "induction": lambda: associative.induction_head(rng, n, L, V, answers),
        "recall": lambda: associative.associative_recall(rng, n, L, V, answers),
        "majority": lambda: hyena_suite.majority(rng, n, L, V),
        "counting": lambda: hyena_suite.counting(rng, n, L, V),
        "linear_functions": lambda: hyena_suite.linear_functions(rng, n, L, V),
        "addition": lambda: hyena_suite.addition(rng, n, L),
        "mqar": lambda: mqar(segment, n, L, config.pairs, V),
        "digits": lambda: sequential_digits(config.seed, split),
        "listops": lambda: listops(rng, n, L // 8, L),
        "pathfinder": lambda: pathfinder(rng, n, L),
    }
    if config.name in makers:
        return makers[config.name]()
    return mad.mad(config.name, rng, n, L, V, scored_only=answers)
