"""Steps of TART: synthetic problems, a reasoning head trained on such problems, and its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from data.lake import TableRef
from data.synthetic.logistic import StreamConfig, TasksConfig
from models.tart.config import HeadConfig, ScoresConfig, TrainConfig
from tasks.produces import produces
from tasks.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from data.synthetic.logistic import LogisticProblems


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
        longest = self.stream.curriculum.points.end
        if longest > self.head.points:
            raise ValueError(
                f"the curriculum ends at {longest} points, the head reads at most "
                f"{self.head.points}"
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


@produces("tart_training", version=1)
def tart_training(config: TrainingConfig) -> pa.Table:
    """Loss and accuracy of a reasoning head during its training, and its weights."""
    from data.synthetic.logistic import training_batch
    from models.tart.train import head_to_bytes, train_head

    head, records = train_head(
        config.head,
        config.optimisation,
        lambda step: training_batch(config.stream, step),
        progress=progress_bar("training the reasoning head"),
    )
    dimension = config.stream.curriculum.dimension
    rows = [
        vars(r) | {"dimension": dimension.at(r.step - 1), "config": config.model_dump_json()}
        for r in records
    ]
    weights = pa.array([None] * (len(rows) - 1) + [head_to_bytes(head)], pa.binary())
    return pa.Table.from_pylist(rows).append_column("weights", weights)


@produces("tart_scores", version=1)
def tart_scores(tasks: TableRef, head: TableRef, config: ScoresConfig) -> pa.Table:
    """Accuracy, AUC and Brier score of the head, logistic regression and the law, by k."""
    from models.tart.scores import score_problems
    from models.tart.train import head_from_bytes

    last = head.read(["step", "weights", "config"]).sort_by("step").to_pylist()[-1]
    trained = head_from_bytes(
        last["weights"], TrainingConfig.model_validate_json(last["config"]).head
    )
    return pa.Table.from_pylist(
        [
            vars(score)
            | {"task": name, "seed": seed}
            | {"modality": "synthetic", "base_model": "none", "embedding": "none"}
            for name, seed, problems in _problem_sets(tasks)
            for score in score_problems(trained, problems, config)
        ]
    )


def _problem_sets(tasks: TableRef) -> Iterator[tuple[str, int, LogisticProblems]]:
    """(name, seed, problems) of every set of problems in logistic_tasks."""
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
        yield f"logistic d={d} alpha={alpha:g}", seed, problems
