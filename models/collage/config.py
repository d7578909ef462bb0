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
        default=(64, 96), description="width at each resolution; all have cross-attention"
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
    ema: float = Field(default=0.999, description="decay of the averaged weights", ge=0, lt=1)
    snr_cap: float = Field(default=5.0, description="gamma of min-SNR weighting", gt=0)
    amp: bool = Field(default=True, description="bfloat16 where the processor has it")
    threads: int = Field(default=1, description="torch threads on the CPU", ge=1)
    seed: int = Field(default=0, description="seed of weights, noise and dropped captions", ge=0)
