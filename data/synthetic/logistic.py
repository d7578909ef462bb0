"""Random logistic-regression problems: the synthetic law that TART's reasoning head learns from.

One sequence is one fresh problem (the paper's law, as in the authors' code):

    x_i ~ N(0, I_D), coordinates from d on set to 0,   w ~ alpha N(0, I_D),
    y_i ~ Bernoulli(sigmoid(x_i . w)),                 i = 1 .. P, no bias.

alpha is an inverse noise: the larger it is, the steeper the sigmoid and the surer the labels. Every
training step draws new problems, so there are no epochs. Batch i is a function of (seed, i) alone:
the infinite stream can be entered at any step, in any order, from any process.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

# Separate the random streams, whatever their seeds are.
_TRAINING, _EVALUATION, _VARIETY = 0, 1, 2


class Ramp(BaseModel, frozen=True, extra="forbid"):
    """A whole number that grows by `increment` every `interval` steps until it reaches `end`."""

    start: int = Field(description="value at step 0", ge=1)
    end: int = Field(description="largest value", ge=1)
    increment: int = Field(default=1, description="growth every `interval` steps", ge=1)
    interval: int = Field(default=1000, description="time between two growths [steps]", ge=1)

    @model_validator(mode="after")
    def _grows(self) -> "Ramp":
        if self.end < self.start:
            raise ValueError(f"ramp ends at {self.end}, below its start {self.start}")
        return self

    def at(self, step: int) -> int:
        """The value at `step`, never above `end`."""
        return min(self.start + self.increment * (step // self.interval), self.end)


class Curriculum(BaseModel, frozen=True, extra="forbid"):
    """How the problems grow during training: live coordinates d and points P a sequence."""

    dimension: Ramp = Field(
        default=Ramp(start=4, end=4),
        description="live coordinates d; the paper's heads grow 4, 8, 12, 16 every 1000 steps",
    )
    points: Ramp = Field(
        default=Ramp(start=66, end=66),
        description="points P a sequence; the released head grows 18, 48 .. 258 every 1000 steps",
    )


# The curricula of the authors' configurations, named after their files.
REASONING_HEAD_S258 = Curriculum(
    dimension=Ramp(start=4, end=16, increment=4, interval=1000),
    points=Ramp(start=18, end=258, increment=30, interval=1000),
)
PROBABILISTIC_LOGISTIC_REGRESSION = Curriculum(
    dimension=Ramp(start=4, end=16, increment=4, interval=1000),
    points=Ramp(start=18, end=66, increment=8, interval=1000),
)
NL_TASK = Curriculum(dimension=Ramp(start=16, end=16), points=Ramp(start=64, end=64))


class Contexts(BaseModel, frozen=True, extra="forbid"):
    """Batches for heads that read all examples at once: k examples first, then queries."""

    fewest: int = Field(default=2, description="smallest number k of examples", ge=1)
    most: int = Field(default=33, description="largest number k of examples", ge=1)
    full: float = Field(
        default=0.5,
        description="share of batches with the most; k is uniform in others",
        ge=0,
        le=1,
    )
    whitened: float = Field(
        default=0.0,
        description="share of batches in coordinates that centre and whiten their own examples, "
        "as features of real data come",
        ge=0,
        le=1,
    )

    @model_validator(mode="after")
    def _grows(self) -> "Contexts":
        if self.most < self.fewest:
            raise ValueError(f"most is {self.most}, below fewest, {self.fewest}")
        return self


class StreamConfig(BaseModel, frozen=True, extra="forbid"):
    """The infinite stream of training problems."""

    width: int = Field(default=4, description="coordinates D of a point; paper: 16", ge=1)
    alphas: tuple[float, ...] = Field(
        default=(1.0, 10.0),
        description="scales of w, the inverse noise of the labels, one drawn for every problem; "
        "paper: 10",
        min_length=1,
    )
    batch: int = Field(default=64, description="problems B a step; paper: 128", ge=1)
    curriculum: Curriculum = Field(
        default=Curriculum(), description="growth of d and P; paper: REASONING_HEAD_S258"
    )
    contexts: Contexts | None = Field(
        default=Contexts(),
        description="how the P points part into examples and queries; paper: null, every point is "
        "a query for the examples before it, as causal heads read them",
    )
    fewer: float = Field(
        default=0.0,
        description="share of batches with a d drawn from 1 up to the curriculum's; paper: 0",
        ge=0,
        le=1,
    )
    seed: int = Field(default=0, description="seed of all problems", ge=0)

    @model_validator(mode="after")
    def _fits(self) -> "StreamConfig":
        _check_dimension(self.curriculum.dimension.end, self.width)
        _check_alphas(self.alphas)
        fewest = self.curriculum.points.start
        if self.contexts is not None and self.contexts.most >= fewest:
            raise ValueError(
                f"contexts of {self.contexts.most} examples leave no query among the {fewest} "
                "points that the curriculum starts with"
            )
        return self


class TasksConfig(BaseModel, frozen=True, extra="forbid"):
    """The evaluation problems: the same law at fixed d and P, from a stream never trained on."""

    width: int = Field(default=4, description="coordinates D of a point; paper: 16", ge=1)
    dimensions: tuple[int, ...] = Field(
        default=(4,), description="live coordinates d, one set of problems each; paper: 16"
    )
    alphas: tuple[float, ...] = Field(
        default=(10.0, 1.0), description="scales of w, one set of problems each; paper: 10"
    )
    problems: int = Field(default=2048, description="problems a set", ge=2)
    points: int = Field(default=34, description="points P a problem; paper: up to 258", ge=2)
    seed: int = Field(default=0, description="seed of all problems", ge=0)

    @model_validator(mode="after")
    def _fits(self) -> "TasksConfig":
        for d in self.dimensions:
            _check_dimension(d, self.width)
        _check_alphas(self.alphas)
        return self


class LogisticProblems(NamedTuple):
    """B problems of P points: points, sampled labels, and the law that the labels came from."""

    x: NDArray[np.float32]  # (B, P, D)
    y: NDArray[np.float32]  # (B, P), 0 or 1
    p_true: NDArray[np.float32]  # sigmoid(x . w) of the queries, the last Q of the points: (B, Q)


def draw_problems(
    rng: np.random.Generator,
    *,
    problems: int,
    points: int,
    width: int,
    dimension: int,
    alpha: float | NDArray[np.floating],
) -> LogisticProblems:
    """B = `problems` fresh problems with d = `dimension` live coordinates among D = `width`.

    alpha: one for all, or (B,). Every point is a query: Q = P. Raises ValueError when d does not
    fit into D. The draws do not depend on alpha or d, so that sets that differ in these alone share
    their points and directions (common random numbers).
    """
    _check_dimension(dimension, width)
    x = rng.standard_normal((problems, points, width))
    x[..., dimension:] = 0.0
    w = np.reshape(alpha, (-1, 1)) * rng.standard_normal((problems, width))
    p_true = 0.5 + 0.5 * np.tanh(0.5 * np.einsum("bpd,bd->bp", x, w))  # sigmoid, no overflow
    y = rng.random((problems, points)) < p_true
    return LogisticProblems(x.astype(np.float32), y.astype(np.float32), p_true.astype(np.float32))


def training_batch(config: StreamConfig, step: int) -> LogisticProblems:
    """Batch number `step` of the infinite stream, at the curriculum's d and P of that step."""
    rng = np.random.default_rng((config.seed, _TRAINING, step))
    # Of its own, so that the points of a step do not depend on how it is varied.
    varied = np.random.default_rng((config.seed, _VARIETY, step))
    dimension = config.curriculum.dimension.at(step)
    if varied.random() < config.fewer:
        dimension = int(varied.integers(1, dimension, endpoint=True))
    drawn = draw_problems(
        rng,
        problems=config.batch,
        points=config.curriculum.points.at(step),
        width=config.width,
        dimension=dimension,
        alpha=varied.choice(config.alphas, config.batch),
    )
    if config.contexts is None:
        return drawn
    k = config.contexts.most
    if varied.random() >= config.contexts.full:
        k = int(varied.integers(config.contexts.fewest, k, endpoint=True))
    x = drawn.x
    if varied.random() < config.contexts.whitened and k > dimension + 1:
        x = np.zeros_like(x)
        x[..., :dimension] = whitened(drawn.x[..., :dimension], k)
    return LogisticProblems(x, drawn.y, drawn.p_true[:, k:])


def whitened(x: NDArray[np.floating], k: int) -> NDArray[np.float32]:
    """(B, P, D) in coordinates where the first k points of a problem have mean 0, covariance 1.

    The symmetric root of the inverse covariance (ZCA) turns no axis into another. Needs k > D + 1
    points in general position.
    """
    examples = x[:, :k].astype(np.float64)
    mean = examples.mean(axis=1, keepdims=True)
    centred = examples - mean
    variances, axes = np.linalg.eigh(centred.mT @ centred / (k - 1))  # (B, D), (B, D, D)
    root = (axes / np.sqrt(variances)[:, None, :]) @ axes.mT
    return ((x - mean) @ root).astype(np.float32)


def evaluation_problems(config: TasksConfig, dimension: int, alpha: float) -> LogisticProblems:
    """The evaluation set of one (d, alpha); points and directions are the same in every set."""
    return draw_problems(
        np.random.default_rng((config.seed, _EVALUATION)),
        problems=config.problems,
        points=config.points,
        width=config.width,
        dimension=dimension,
        alpha=alpha,
    )


def _check_dimension(dimension: int, width: int) -> None:
    if not 1 <= dimension <= width:
        raise ValueError(
            f"live coordinates d must lie in 1..{width} (the width D), got {dimension}"
        )


def _check_alphas(alphas: tuple[float, ...]) -> None:
    for alpha in alphas:
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0, got {alpha}")
