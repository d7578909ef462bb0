"""TART: train one reasoning head on synthetic problems, then classify anything from examples.

logistic_tasks -------------------------------+
stream -> tart_training, reasoning_heads -----+
few_shot_items -+-> few_shot_embeddings ------+-> tart_scores -> tart_gaps
language_models +-> few_shot_tuned -----------+
"""

from typing import Literal

from pydantic import BaseModel, Field

from data.datasets.few_shot import Source
from data.lake import TableRef
from data.synthetic.logistic import (
    REASONING_HEAD_S258,
    Contexts,
    Curriculum,
    Ramp,
    StreamConfig,
    TasksConfig,
)
from models.lm.config import ModelConfig
from models.tart.config import (
    PAPER_RECIPE,
    SMALL,
    STANDARD,
    ScoresConfig,
    TrainConfig,
)
from tasks.lm import language_model
from tasks.pipeline import pipeline
from tasks.tart import (
    ScoringConfig,
    TrainingConfig,
    logistic_tasks,
    reasoning_heads,
    shipped,
    tart_gaps,
    tart_scores,
    tart_training,
)
from tasks.tart_few_shot import (
    ReadingConfig,
    ShotsConfig,
    TuningConfig,
    encoded_items,
    few_shot_items,
    few_shot_tuned,
    items_of,
    prompted_embeddings,
)

ALPHAS = (0.5, 1.0, 2.0, 5.0, 10.0)


class RealConfig(BaseModel, frozen=True, extra="forbid"):
    """Real items, the frozen models that read them, and how many are shown."""

    texts: tuple[Source, ...] = Field(default=("sms_spam_sample",), description="sources of texts")
    numbers: tuple[Source, ...] = Field(
        default=("breast_cancer",), description="sources of images and tables, read as they are"
    )
    models: tuple[ModelConfig, ...] = Field(
        default=(ModelConfig(),), description="language models that read the texts in prompts"
    )
    encoders: tuple[Literal["all-minilm-l6-v2"], ...] = Field(
        default=(), description="sentence encoders that read every text alone, from their packages"
    )
    shots: ShotsConfig = Field(default=ShotsConfig(), description="examples and queries of prompts")
    alone: ShotsConfig = Field(
        default=ShotsConfig(shots=(18, 32, 48, 64), seeds=(0, 1, 2), queries=200),
        description="the same for items read alone: by sentence encoders, images, tables",
    )
    reading: ReadingConfig = Field(default=ReadingConfig(), description="how prompts are made")
    tuning: TuningConfig | None = Field(
        default=None, description="fine-tuning as a rival; null leaves it out"
    )


class TartConfig(BaseModel, frozen=True, extra="forbid"):
    """What is learned, and on what it is tested."""

    tasks: TasksConfig = Field(default=TasksConfig(), description="the evaluation problems")
    # Two threads take two thirds of the time of one where nobody else computes.
    training: TrainingConfig = Field(
        default=TrainingConfig(optimisation=TrainConfig(threads=2)),
        description="the reasoning head",
    )
    scores: ScoresConfig = Field(default=ScoresConfig(), description="what is scored of it")
    shipped: str = Field(
        default="small", description="the trained head of models/weights that reads real data"
    )
    shipped_tasks: TasksConfig = Field(
        default=TasksConfig(width=16, dimensions=(16,), alphas=ALPHAS, problems=256, points=65),
        description="the evaluation problems of that head",
    )
    shipped_scores: ScoresConfig = Field(
        default=ScoresConfig(examples=(18, 64)), description="what is scored of that head"
    )
    real: RealConfig = Field(default=RealConfig(), description="real texts, images and tables")
    data: str = Field(default="", description="folder of data sets for sources sms_spam and raft")


# How models/weights/tart-small was made: some two minutes of one processor that computes in
# bfloat16. 2,200 steps, most of them at the peak rate, ended worse: the matrices grow under Muon.
SMALL_TRAINING = TrainingConfig(
    stream=StreamConfig(
        width=16,
        alphas=ALPHAS,
        curriculum=Curriculum(
            dimension=Ramp(start=4, end=16, interval=3), points=Ramp(start=128, end=128)
        ),
        contexts=Contexts(fewest=8, most=64, full=0.6, whitened=0.1),
        fewer=0.1,
    ),
    head=SMALL,
    optimisation=TrainConfig(steps=320, learning_rate=3e-3, warmup=30, precision="bfloat16"),
)
_PAPER_SHOTS = ShotsConfig(shots=(18, 32, 48, 64), seeds=(42, 69, 128, 512, 1024), queries=100)

PROFILES = {
    "quick": TartConfig(),
    "standard": TartConfig(
        tasks=TasksConfig(width=16, dimensions=(8, 16), alphas=ALPHAS, points=65),
        training=SMALL_TRAINING,
        scores=ScoresConfig(examples=(8, 18, 32, 48, 64)),
        shipped_tasks=TasksConfig(width=16, dimensions=(16,), alphas=ALPHAS, points=65),
        real=RealConfig(
            numbers=("breast_cancer", "digits"),
            shots=_PAPER_SHOTS,
            alone=_PAPER_SHOTS.model_copy(update={"queries": 500}),
            tuning=TuningConfig(),
        ),
    ),
    "paper": TartConfig(
        tasks=TasksConfig(width=16, dimensions=(16,), points=258),
        training=TrainingConfig(
            stream=StreamConfig(
                width=16,
                alphas=(10.0,),
                batch=128,
                curriculum=REASONING_HEAD_S258,
                contexts=None,
            ),
            head=STANDARD,
            optimisation=PAPER_RECIPE,
        ),
        scores=ScoresConfig(examples=(18, 32, 48, 64, 128, 256)),
        real=RealConfig(
            texts=("sms_spam", "raft"),
            numbers=("breast_cancer", "digits", "mnist"),
            encoders=("all-minilm-l6-v2",),
            shots=_PAPER_SHOTS.model_copy(update={"queries": 1000}),
            tuning=TuningConfig(seeds=5, most_queries=1000),
        ),
    ),
}


@pipeline("tart")
def tart(config: TartConfig = PROFILES["quick"]) -> TableRef:
    """Synthetic problems teach a head to classify from examples; fresh and real ones test it."""
    problems = [logistic_tasks(config.tasks), logistic_tasks(config.shipped_tasks)]
    heads = [tart_training(config.training), reasoning_heads(shipped(config.shipped))]
    asked = (config.scores, config.shipped_scores)
    read = [*_texts(config.real, config.data), *_numbers(config.real, config.data)]
    scores = tart_scores(
        problems, heads, read, ScoringConfig(synthetic=asked, shots=config.real.alone)
    )
    tart_gaps(scores)
    return scores


def _texts(config: RealConfig, data: str) -> list[TableRef]:
    """Every text of every source, read by every model in every way."""
    found = []
    models = [language_model(model) for model in config.models]
    for source in config.texts:
        items = few_shot_items(items_of(source, data))
        for model in models:
            # A step for every seed: what was read before a flow is killed is not read again.
            for seed in config.shots.seeds:
                shots = config.shots.model_copy(update={"seeds": (seed,)})
                found.append(prompted_embeddings(items, model, shots, config.reading))
            if config.tuning:
                found.append(
                    few_shot_tuned(items, model, config.shots, config.reading, config.tuning)
                )
        found += [encoded_items(items, encoder, 1) for encoder in config.encoders]
    return found


def _numbers(config: RealConfig, data: str) -> list[TableRef]:
    """Every image and table as it is."""
    return [
        encoded_items(few_shot_items(items_of(source, data)), "none", 1)
        for source in config.numbers
    ]
