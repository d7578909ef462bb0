"""Trains the small text-to-picture model; a training that was killed goes on where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.collage.config import TrainConfig
from models.collage.parts import Parts
from models.progress import Progress, silent
from models.training import torch_threads

_SAVE_EVERY_SECONDS = 60.0
_LOOK_EVERY = 100  # steps


class Captioned(NamedTuple):
    """Pictures with their words."""

    images: NDArray[np.uint8]  # (B, S, S, 3)
    captions: Sequence[str]


Batches = Callable[[int, int], Captioned]
"""Called as batches(step, size): the same batch for the same step, always."""


Adding = Callable[[Tensor, Tensor, Tensor], Mapping[str, Any]]
"""Called with noisy latents, times and words; gives residuals by the U-Net's argument names."""


@dataclass
class Course:
    """How far a training has come."""

    steps: int = 0
    seconds: float = 0.0  # the training thread's own
    at: list[int] = field(default_factory=list)  # [steps]
    loss: list[float] = field(default_factory=list)  # mean since the last look


def train_parts(
    parts: Parts,
    batches: Batches,
    config: TrainConfig,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> tuple[Parts, Course]:
    """The parts with averaged weights after all steps, and their course; progress counts steps.

    folder: where the state is kept; given it again, a training that was killed goes on, step for
    step. Predicts v = sqrt(abar) noise - sqrt(1 - abar) z, with min-SNR weights (Hang et al., 2023)
    and text encoder and U-Net trained together. Raises ValueError when the loss is no number.
    """
    with torch.random.fork_rng(devices=[]), torch_threads(config.threads):
        fit = _Fit(parts, batches, config)
        state = None if folder is None else folder / "train.pt"
        if state is not None and state.exists():
            fit.load(state)
        fit.run(state, progress)
    fit.finish()
    return parts, fit.course


class _Fit:
    """Everything that changes during a training."""

    def __init__(self, parts: Parts, batches: Batches, config: TrainConfig) -> None:
        self.parts, self.batches, self.config = parts, batches, config
        self.model = nn.ModuleList([parts.unet, parts.text_encoder])
        self.model.requires_grad_(True)
        # On small pictures the fused kernel's backward pass takes longer than two plain products.
        self.processors = dict(parts.unet.attn_processors)
        parts.unet.set_attn_processor(AttnProcessor())
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-2
        )
        self.course = Course()
        self.losses: list[float] = []

    def run(self, state: Path | None, progress: Progress) -> None:
        course = self.course
        begun, saved = time.thread_time() - course.seconds, time.monotonic()
        self.model.train()
        while course.steps < self.config.steps:
            self.losses.append(self._step(course.steps))
            course.steps += 1
            course.seconds = time.thread_time() - begun
            if course.steps % _LOOK_EVERY == 0:
                self._look()
            progress(course.steps, self.config.steps)
            if state is not None and time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                self.save(state)
                saved = time.monotonic()

    def finish(self) -> None:
        """Puts the averaged weights into the parts."""
        self.model.load_state_dict(self.average, strict=False)
        self.model.eval().requires_grad_(False)
        self.parts.unet.set_attn_processor(self.processors)

    def save(self, path: Path) -> None:
        """All of the training in one file, which replaces the one before at once."""
        temporary = path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average,
                "optimizer": self.optimizer.state_dict(),
                "course": vars(self.course),
                "losses": self.losses,
            },
            temporary,
        )
        temporary.replace(path)

    def load(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.average = kept["average"]
        self.optimizer.load_state_dict(kept["optimizer"])
        self.course, self.losses = Course(**kept["course"]), kept["losses"]

    def _step(self, step: int) -> float:
        config = self.config
        loss = denoising_loss(self.parts, self.batches(step, config.batch), config, step)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * rate_share(step, config)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        decay = min(config.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1 - decay)
        return loss.item()

    def _look(self) -> None:
        mean = math.fsum(self.losses) / len(self.losses)
        if not math.isfinite(mean):
            raise ValueError(
                f"the loss was {mean} by step {self.course.steps}: lower the learning rate"
            )
        self.course.at.append(self.course.steps)
        self.course.loss.append(mean)
        self.losses.clear()


def denoising_loss(
    parts: Parts, batch: Captioned, config: TrainConfig, step: int, adding: Adding | None = None
) -> Tensor:
    """The loss of one step: noise, times and dropped captions follow from the seed and the step.

    Mean squared error of v = sqrt(abar) noise - sqrt(1 - abar) z with min-SNR weights. adding:
    gives what the U-Net is to add at its levels.
    """
    random = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    z = parts.encode(to_signed(batch.images))
    noise = torch.randn(z.shape, generator=random)
    t = torch.randint(0, len(parts.alphas), (len(z),), generator=random)
    dropped = torch.rand(len(z), generator=random) < config.drop
    ids = parts.token_ids(
        ["" if gone else text for gone, text in zip(dropped, batch.captions, strict=True)]
    )
    abar = parts.alphas[t].view(-1, 1, 1, 1)
    noisy = abar.sqrt() * z + (1 - abar).sqrt() * noise
    v = abar.sqrt() * noise - (1 - abar).sqrt() * z
    with torch.autocast("cpu", torch.bfloat16, enabled=config.amp):
        hidden = parts.encode_text(ids)
        added = {} if adding is None else adding(noisy, t, hidden)
        found = parts.unet(noisy, t, hidden, **added).sample
    snr = (abar / (1 - abar)).flatten()
    weight = snr.clamp(max=config.snr_cap) / (snr + 1)
    return (weight * F.mse_loss(found.float(), v, reduction="none").mean((1, 2, 3))).mean()


def rate_share(step: int, config: TrainConfig) -> float:
    """Share of the peak learning rate at a step: linear warm-up, level, linear cool-down.

    Unlike a cosine it is the same for a longer training until that one cools down, so `steps` may
    be changed while a training runs.
    """
    cooling = config.cooling * config.steps
    left = (config.steps - step) / cooling if cooling else 1.0
    return min((step + 1) / config.warmup, left, 1.0)


def to_signed(images: NDArray[np.uint8]) -> Tensor:
    """Pictures (B, S, S, 3) of bytes as tensors (B, 3, S, S) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """Pictures (B, 3, S, S) in -1..1 as bytes (B, S, S, 3), rounded."""
    scaled = (pixels.clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
