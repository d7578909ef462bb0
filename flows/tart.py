"""TART: train one reasoning head on synthetic problems, then score it on fresh ones.

logistic_tasks ------------+-> tart_scores
stream -> tart_training ---+
"""

from pydantic import BaseModel, Field

from data.lake import TableRef
from data.synthetic.logistic import REASONING_HEAD_S258, Curriculum, Ramp, StreamConfig, TasksConfig
from models.tart.config import PAPER_RECIPE, STANDARD, HeadConfig, ScoresConfig, TrainConfig
from tasks.pipeline import pipeline
from tasks.tart import TrainingConfig, logistic_tasks, tart_scores, tart_training


class TartConfig(BaseModel, frozen=True, extra="forbid"):
    """What is learned, and on what it is tested."""

    tasks: TasksConfig = Field(default=TasksConfig(), description="the evaluation problems")
    training: TrainingConfig = Field(default=TrainingConfig(), description="the reasoning head")
    scores: ScoresConfig = Field(default=ScoresConfig(), description="what is scored")


PROFILES = {
    "quick": TartConfig(),
    "standard": TartConfig(
        tasks=TasksConfig(width=8, dimensions=(4, 8), points=66),
        training=TrainingConfig(
            stream=StreamConfig(
                width=8,
                curriculum=Curriculum(
                    dimension=Ramp(start=4, end=8, increment=1, interval=400),
                    points=Ramp(start=18, end=66, increment=8, interval=400),
                ),
            ),
            head=HeadConfig(width_in=8, points=66),
            optimisation=TrainConfig(steps=12000),
        ),
        scores=ScoresConfig(examples=(4, 8, 18, 32, 48, 64)),
    ),
    "paper": TartConfig(
        tasks=TasksConfig(width=16, dimensions=(16,), points=258),
        training=TrainingConfig(
            stream=StreamConfig(width=16, batch=128, curriculum=REASONING_HEAD_S258),
            head=STANDARD,
            optimisation=PAPER_RECIPE,
        ),
        scores=ScoresConfig(examples=(18, 32, 48, 64, 128, 256), penalty=0.0),
    ),
}


@pipeline("tart")
def tart(config: TartConfig = PROFILES["quick"]) -> TableRef:
    """Synthetic problems teach a head to classify from examples; fresh problems test it."""
    tasks = logistic_tasks(config.tasks)
    head = tart_training(config.training)
    return tart_scores(tasks, head, config.scores)
