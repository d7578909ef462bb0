"""Steps of TART: synthetic problems, reasoning heads, and scores on such problems and real data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from data.lake import TableRef
from data.lake.tables import CONTRACTS
from data.synthetic.logistic import StreamConfig, TasksConfig
from models.tart.config import HeadConfig, ScoresConfig, TrainConfig
from tasks.produces import produces, scratch
from tasks.progress import progress_bar
from tasks.tart_few_shot import ShotsConfig
from tasks.tart_scoring import real_scores, tuned_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from data.synthetic.logistic import LogisticProblems
    from models.tart.module import ReasoningHead


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """One reasoning head: the problems it learns from, its size, and its optimisation."""

    stream: StreamConfig = Field(default=StreamConfig(), description="the training problems")
    head: HeadConfig = Field(default=HeadConfig(), description="size and token layout")
    optimisation: TrainConfig = Field(default=TrainConfig(), description="steps and rates")

    @model_validator(mode="after")
    def _fits(self) -> TrainingConfig:
        if self.stream.width != self.head.width_in:
            raise ValueError(
                f"stream.width and head.width_in must agree, got {self.stream.width} and "
                f"{self.head.width_in}"
            )
        contexts = self.stream.contexts
        if (contexts is None) != (self.head.attention == "causal"):
            raise ValueError(
                "stream.contexts belongs to heads with attention 'context': set it to null for "
                "causal heads, and only for them"
            )
        longest = contexts.most + 1 if contexts else self.stream.curriculum.points.end
        if longest > self.head.points:
            raise ValueError(
                f"the problems grow to {longest} points, examples and a query; the head reads at "
                f"most {self.head.points}"
            )
        return self


@produces("logistic_tasks", version=1)
def logistic_tasks(config: TasksConfig) -> pa.Table:
    """Evaluation problems of the synthetic logistic law, for every dimension and alpha."""
    import numpy as np

    from data.synthetic.logistic import evaluation_problems

    position = np.tile(np.arange(config.points), config.problems)
    task = np.repeat(np.arange(config.problems), config.points)
    parts = []
    for d in config.dimensions:
        for alpha in config.alphas:
            x, y, p_true = evaluation_problems(config, d, alpha)
            columns = {
                "task": pa.array(task),
                "d": pa.repeat(d, y.size),
                "alpha": pa.repeat(alpha, y.size),
                "position": pa.array(position),
                "x": pa.FixedSizeListArray.from_arrays(x.ravel(), config.width),
                "y": pa.array(y.ravel().astype(np.int64)),
                "p_true": pa.array(p_true.ravel()),
                "seed": pa.repeat(config.seed, y.size),
            }
            parts.append(pa.table(columns))
    return pa.concat_tables(parts)


@produces("tart_training", version=2)
def tart_training(config: TrainingConfig) -> pa.Table:
    """Loss and accuracy of a reasoning head during its training, and its weights."""
    from data.synthetic.logistic import training_batch
    from models.tart.train import head_to_bytes, train_head

    head, records = train_head(
        config.head,
        config.optimisation,
        lambda step: training_batch(config.stream, step),
        folder=scratch(),
        progress=progress_bar("training the reasoning head"),
    )
    dimension = config.stream.curriculum.dimension
    rows = [
        vars(r) | {"dimension": dimension.at(r.step - 1), "config": config.model_dump_json()}
        for r in records
    ]
    weights = pa.array([None] * (len(rows) - 1) + [head_to_bytes(head)], pa.binary())
    return pa.Table.from_pylist(rows).append_column("weights", weights)


class ShippedHead(BaseModel, frozen=True, extra="forbid"):
    """A head that comes with the project."""

    name: str = Field(description="its name, as in models/weights/tart-NAME.json")
    sha256: str = Field(description="of its weights")


def shipped(name: str) -> ShippedHead:
    """A head by its weights. Raises ValueError for an unknown name."""
    from models.tart.shipped import shipped_card

    return ShippedHead(name=name, sha256=shipped_card(name)["sha256"])


@produces("reasoning_heads", version=1)
def reasoning_heads(head: ShippedHead) -> pa.Table:
    """A reasoning head that comes trained, verified against its card."""
    from models.tart.shipped import shipped_card, shipped_weights

    card = shipped_card(head.name)
    config = TrainingConfig.model_validate(card["config"])
    row = {
        "name": head.name,
        "step": config.optimisation.steps,
        "parameters": card["parameters"],
        "width_in": config.head.width_in,
        "examples": config.head.points - 1,
        "sha256": head.sha256,
        "licence": card["licence"],
        "config": config.model_dump_json(),
        "weights": shipped_weights(head.name),
    }
    return pa.Table.from_pylist([row], schema=CONTRACTS["reasoning_heads"].arrow_schema())


class ScoringConfig(BaseModel, frozen=True, extra="forbid"):
    """What is scored on synthetic problems, a configuration a set of them, and on real data."""

    synthetic: tuple[ScoresConfig, ...] = Field(description="numbers of examples")
    shots: ShotsConfig = Field(description="examples and queries of items that were read alone")


@produces("tart_scores", version=3)
def tart_scores(
    tasks: Sequence[TableRef],
    heads: Sequence[TableRef],
    read: Sequence[TableRef],
    config: ScoringConfig,
) -> pa.Table:
    """Accuracy, AUC and Brier score of TART and its rivals on the same queries, by k.

    Synthetic problems are scored by the head in the same place, real data (few_shot_embeddings and
    few_shot_tuned) by the last head.
    """
    from models.tart.scores import score_problems

    opened = [open_head(head) for head in heads]
    constant = {"modality": "synthetic", "base_model": "none", "embedding": "none"}
    rows: list[dict[str, Any]] = [
        vars(score) | {"task": name, "seed": seed} | constant
        for problems_of, head, asked in zip(tasks, opened, config.synthetic, strict=True)
        for name, seed, alpha, problems in _problem_sets(problems_of)
        for score in score_problems(head, problems, asked, alpha)
    ]
    for ref in read:
        if ref.table == "few_shot_tuned":
            rows += tuned_scores(ref)
        else:
            rows += real_scores(ref, opened[-1], config.shots)
    return pa.Table.from_pylist(rows, schema=CONTRACTS["tart_scores"].arrow_schema())


@produces("tart_gaps", version=1)
def tart_gaps(tart_scores: TableRef) -> pa.Table:
    """Fine-tuning's lead over in-context learning, parted into representation and reasoning."""
    from models.tart.gaps import gaps

    return pa.Table.from_pylist(
        gaps(tart_scores.read().to_pylist()), schema=CONTRACTS["tart_gaps"].arrow_schema()
    )


def open_head(ref: TableRef) -> ReasoningHead:
    """The head in the last row of `tart_training` or `reasoning_heads`."""
    from models.tart.train import head_from_bytes

    last = ref.read(["step", "weights", "config"]).sort_by("step").to_pylist()[-1]
    config = TrainingConfig.model_validate_json(last["config"])
    return head_from_bytes(last["weights"], config.head)


def _problem_sets(tasks: TableRef) -> Iterator[tuple[str, int, float, LogisticProblems]]:
    """(name, seed, alpha, problems) of every set of problems in logistic_tasks."""
    import numpy as np
    import pyarrow.compute as pc

    from data.synthetic.logistic import LogisticProblems

    rows = tasks.read().sort_by([(name, "ascending") for name in ("task", "position")])
    sets = rows.group_by(["d", "alpha", "seed"], use_threads=False).aggregate([])
    for d, alpha, seed in zip(*sets.to_pydict().values(), strict=True):
        part = rows.filter(
            (pc.field("d") == d) & (pc.field("alpha") == alpha) & (pc.field("seed") == seed)
        )
        shape = (pc.count_distinct(part["task"]).as_py(), -1)
        x = pc.list_flatten(part["x"]).to_numpy().reshape(*shape, len(part["x"][0]))
        y, p_true = (part[name].to_numpy().reshape(shape) for name in ("y", "p_true"))
        problems = LogisticProblems(*(a.astype(np.float32) for a in (x, y, p_true)))
        yield f"logistic d={d} alpha={alpha:g}", seed, alpha, problems
