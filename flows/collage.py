"""Collage Diffusion: layers with words, composed with ever more control, and judged.

scenes -> collages -+-> collage_words -+
                    +------------------+-> collage_images -+-> collage_scores -> findings
scenes -> collage_judges ----------------------------------+
"""

from pydantic import BaseModel, Field

from data.lake import TableRef
from data.synthetic.scenes.specs import SceneConfig
from models.collage.config import (
    BootstrapConfig,
    InversionConfig,
    JudgeConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
)
from models.collage.methods import Method, compared, one_layer
from tasks.collage import collage_images, collage_words
from tasks.collage_folders import (
    ModelFolder,
    holds_edges,
    model_folder,
    trained_model,
    with_edges,
)
from tasks.collage_layers import HeldOut, held_out_collages
from tasks.collage_models import collage_edges, collage_judges, collage_models
from tasks.collage_results import collage_findings, collage_intervals, collage_scores
from tasks.pipeline import pipeline
from tasks.produces import results


class CollageConfig(BaseModel, frozen=True, extra="forbid"):
    """The collages, how they are composed, and who judges."""

    held_out: HeldOut = Field(default=HeldOut(), description="collages that are composed")
    model: str = Field(
        default="", description="folder of a model in diffusers' layout; empty: the packaged one"
    )
    methods: tuple[Method, ...] = Field(
        default=compared(SampleConfig()), description="ways of composing", min_length=1
    )
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), description="of their noise", min_length=1)
    sweep: tuple[Method, ...] = Field(
        default=one_layer(SampleConfig()),
        description="one layer's noise swept, with the first seed",
    )
    words: InversionConfig = Field(default=InversionConfig(), description="learning of words")
    judge_scenes: SceneConfig = Field(
        default=SceneConfig(seed=2_000_003), description="what the judges learn from"
    )
    judges: JudgeConfig | None = Field(
        default=JudgeConfig(), description="who judges; null: pictures only"
    )
    intervals: BootstrapConfig = Field(default=BootstrapConfig(), description="of all means")
    scenes: SceneConfig = Field(default=SceneConfig(), description="what the model learns from")
    small: ModelConfig = Field(default=ModelConfig(), description="the model if it is trained")
    train: TrainConfig | None = Field(
        default=None, description="training of the small model; null leaves it as it is packaged"
    )
    train_edges: TrainConfig = Field(
        default=TrainConfig(steps=600, warmup=100),
        description="training of its ControlNet, where its folder holds none",
    )


_QUICK = SampleConfig(steps=20)
_STANDARD = SampleConfig(steps=15)

PROFILES = {
    "quick": CollageConfig(
        held_out=HeldOut(count=1),
        methods=tuple(
            m for m in compared(_QUICK) if m.name in ("composite", "sdedit 0.6", "layers 0.4")
        ),
        seeds=(0,),
        sweep=(),
        judges=None,
    ),
    "standard": CollageConfig(
        methods=compared(_STANDARD),
        sweep=one_layer(_STANDARD),
        words=InversionConfig(steps=40, batch=2),
        judges=JudgeConfig(steps=3000),
    ),
    "paper": CollageConfig(
        held_out=HeldOut(count=64),
        methods=compared(SampleConfig(steps=50)),
        sweep=one_layer(SampleConfig(steps=50)),
        words=InversionConfig(steps=250),
        train=TrainConfig(steps=60_000, batch=32, ema=0.9995),
        train_edges=TrainConfig(steps=10_000, batch=32),
        judges=JudgeConfig(steps=6000),
    ),
}


@pipeline("collage")
def collage(config: CollageConfig = PROFILES["quick"]) -> TableRef:
    """Composes held-out collages by every method; with judges, says what the claims come to."""
    plain, held = _models(config)
    held_out = held_out_collages(config.held_out)
    told = any(method.words for method in config.methods)
    words = [collage_words(held_out, plain, config.words)] if told else []
    made = [(m, list(config.seeds)) for m in config.methods]
    made += [(m, [config.seeds[0]]) for m in config.sweep]
    images = results(
        collage_images.submit(
            held_out, words if m.words else [], held if m.edges else plain, m, seeds
        )
        for m, seeds in made
    )
    if config.judges is None:
        return images[-1]
    judges = collage_judges(config.judge_scenes, config.judges)
    scores = collage_scores(held_out, images, judges)
    collage_intervals(scores, config.intervals)
    return collage_findings(scores, config.intervals)


def _models(config: CollageConfig) -> tuple[ModelFolder, ModelFolder]:
    """The model alone, and with a ControlNet if a method wants that: its own, or a trained one."""
    if config.train is not None:
        plain = trained_model(collage_models(config.scenes, config.small, config.train))
    else:
        plain = model_folder(config.model)
    if not any(method.edges for method in config.methods):
        return plain, plain
    if config.train is None and holds_edges(plain):
        return plain, model_folder(config.model, edges=True)
    return plain, with_edges(plain, collage_edges(plain, config.scenes, config.train_edges))
