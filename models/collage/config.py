"""Settings of Collage Diffusion: the small model, its training, and how a collage is sampled."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Scale = Literal["max", "std"]
Schedule = Literal["loglog", "log", "log2"]


class ModelConfig(BaseModel, frozen=True, extra="forbid"):
    """The small text-to-picture model: pixels folded into channels, a U-Net, a text transformer."""

    size: int = Field(default=32, description="side of its pictures [px]", ge=8)
    fold: int = Field(default=2, description="pixels along a side of one latent", ge=1)
    channels: tuple[int, ...] = Field(
        default=(64, 96),
        description="width at each resolution; on the way down all have cross-attention",
    )
    layers: int = Field(default=1, description="residual blocks a resolution", ge=1)
    head: int = Field(default=32, description="width of an attention head", ge=4)
    text_width: int = Field(default=64, description="width of the text transformer", ge=8)
    text_layers: int = Field(default=2, description="layers of the text transformer", ge=1)
    tokens: int = Field(default=24, description="longest prompt, start and end included", ge=8)


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """Optimisation of the small model."""

    steps: int = Field(default=4000, description="optimiser steps", ge=1)
    batch: int = Field(default=16, description="pictures a step", ge=1)
    learning_rate: float = Field(default=1e-3, description="peak, after the warm-up", gt=0)
    warmup: int = Field(default=200, description="steps of linear warm-up", ge=1)
    cooling: float = Field(
        default=0.3, description="share of the steps in which the rate falls to 0", ge=0, le=1
    )
    drop: float = Field(default=0.1, description="share of captions left out, for guidance", ge=0)
    ema: float = Field(default=0.998, description="decay of the averaged weights", ge=0, lt=1)
    snr_cap: float = Field(default=5.0, description="gamma of min-SNR weighting", gt=0)
    amp: bool = Field(default=True, description="bfloat16 where the processor has it")
    threads: int = Field(default=1, description="torch threads on the CPU", ge=1)
    seed: int = Field(default=0, description="seed of weights, noise and dropped captions", ge=0)


class SampleConfig(BaseModel, frozen=True, extra="forbid"):
    """How a collage becomes a picture; the defaults are the full method."""

    steps: int = Field(default=25, description="sampler steps; the paper's 50", ge=1)
    guidance: float = Field(
        default=4.0, description="classifier-free guidance; the authors' 7 to 7.5", ge=0
    )
    negative: str = Field(default="", description="what the picture should not be")
    start: Literal["collage", "noise"] = Field(
        default="collage", description="where sampling begins: the noised collage, or pure noise"
    )
    strength: float | None = Field(
        default=None,
        description="one noise for all (SDEdit) in place of each layer's own",
        ge=0,
        le=1,
    )
    control: bool = Field(default=True, description="whether attention is steered")
    scale: Scale = Field(default="max", description="what steering is proportional to")
    schedule: Schedule = Field(default="loglog", description="g(sigma) of steering")
    blur: float = Field(
        default=0.0,
        description="softening of noise between layers [share of the shorter side]",
        ge=0,
        le=0.2,
    )
    widening: float = Field(
        default=0.0625,
        description="widening of held parts at full noise [share of the shorter side]",
        ge=0,
        le=0.2,
    )
    paste: bool = Field(
        default=True, description="whether layers of noise 0 are pasted in pixels at the end"
    )
    scheduler: str = Field(
        default="", description="class of diffusers' schedulers; the model's own by default"
    )


class InversionConfig(BaseModel, frozen=True, extra="forbid"):
    """Learning a word for the look of a layer."""

    steps: int = Field(default=100, description="optimiser steps; the authors' 250", ge=1)
    batch: int = Field(default=4, description="views of each layer a step; the authors' 4", ge=1)
    vectors: int = Field(default=1, description="learned words a layer", ge=1, le=8)
    learning_rate: float = Field(default=2e-2, description="AdamW; the authors' 4e-4", gt=0)
    weight_decay: float = Field(default=0.0, description="AdamW; the authors' 1e-2", ge=0)
    brightness: float = Field(default=0.2, description="jitter of views", ge=0, le=1)
    contrast: float = Field(default=0.1, description="jitter of views", ge=0, le=1)
    templates: tuple[str, ...] = Field(
        default=("a {}", "the {}", "a picture of a {}", "the picture of the {}"),
        description="prompts around the layer's words; the authors' 27",
        min_length=1,
    )
    begin: str = Field(default="a", description="word whose vector the learned ones start from")
    seed: int = Field(default=0, description="seed of views and noise", ge=0)


class JudgeConfig(BaseModel, frozen=True, extra="forbid"):
    """The segmenter and the judge of real against pasted."""

    kinds: int = Field(default=9, description="shapes, the ground included", ge=2)
    colours: int = Field(default=9, description="colours, the ground's included", ge=2)
    width: int = Field(default=16, description="channels at full size", ge=4)
    steps: int = Field(default=1200, description="optimiser steps", ge=1)
    batch: int = Field(default=16, description="scenes a step, each filmed and pasted", ge=2)
    examined: int = Field(default=256, description="held-out scenes they are tested on", ge=2)
    learning_rate: float = Field(default=3e-3, description="peak", gt=0)
    threads: int = Field(default=1, description="torch threads", ge=1)
    seed: int = Field(default=0, description="seed of weights", ge=0)


class BootstrapConfig(BaseModel, frozen=True, extra="forbid"):
    """Intervals: collages are drawn anew, with all their layers and seeds."""

    resamples: int = Field(default=1000, description="draws", ge=10)
    seed: int = Field(default=0, description="seed of the draws", ge=0)


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """What is measured of steering."""

    batches: tuple[int, ...] = Field(default=(1, 8), description="pictures at once", min_length=1)
    steps: int = Field(default=10, description="sampler steps", ge=1)
    runs: int = Field(default=5, description="runs of each, in turn", ge=1)
    threads: int = Field(default=1, description="torch threads", ge=1)
