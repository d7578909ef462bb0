"""Judges of pictures: what is where, and whether it was filmed or pasted. Small, trained on scenes.

They never see the model's pictures while they learn, and the model never learns from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from models.collage.config import JudgeConfig
from models.collage.train import to_signed
from models.progress import Progress, silent
from models.training import torch_threads, warmup_cosine


class Judged(NamedTuple):
    """Scenes with their truth, and the same scenes pasted together."""

    real: NDArray[np.uint8]  # (B, S, S, 3)
    pasted: NDArray[np.uint8]  # (B, S, S, 3)
    shape: NDArray[np.int64]  # (B, S, S), 0 for the ground
    colour: NDArray[np.int64]  # (B, S, S), 0 for the ground


JudgedBatches = Callable[[int, int], Judged]
"""Called as batches(step, size): the same batch for the same step, always."""


class Segmenter(nn.Module):
    """Shape and colour at every pixel: a U-Net of three sizes with two heads."""

    def __init__(self, kinds: int, colours: int, width: int) -> None:
        super().__init__()
        self.kinds = kinds
        w = width
        self.fine = nn.Sequential(_block(3, w), _block(w, w))
        self.middle = nn.Sequential(_block(w, 2 * w), _block(2 * w, 2 * w))
        self.coarse = nn.Sequential(_block(2 * w, 3 * w), _block(3 * w, 2 * w))
        self.back = _block(4 * w, w)
        self.head = nn.Sequential(_block(2 * w, w), nn.Conv2d(w, kinds + colours, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shapes (B, kinds, S, S) and colours (B, colours, S, S) of pictures in -1..1."""
        fine = self.fine(x)
        middle = self.middle(F.avg_pool2d(fine, 2))
        coarse = self.coarse(F.avg_pool2d(middle, 2))
        middle = self.back(torch.cat([middle, _doubled(coarse)], 1))
        found = self.head(torch.cat([fine, _doubled(middle)], 1))
        return found[:, : self.kinds], found[:, self.kinds :]


class RealJudge(nn.Module):
    """Logit that a picture was filmed in one light rather than pasted (B,)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            _block(3, w), nn.AvgPool2d(2), _block(w, 2 * w), _block(2 * w, 2 * w), nn.AvgPool2d(2),
            _block(2 * w, 3 * w), nn.AvgPool2d(2), _block(3 * w, 3 * w), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(3 * w, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(-1)


class Judges(NamedTuple):
    """The two judges, and how good they are on scenes that neither saw."""

    segmenter: Segmenter
    real: RealJudge
    pixel_accuracy: float  # of shape and colour together, on objects' pixels
    real_accuracy: float
    seconds: float


def train_judges(
    batches: JudgedBatches, config: JudgeConfig, *, progress: Progress = silent
) -> Judges:
    """Trains both judges on the same batches; progress counts steps.

    Batches from `config.steps` on are held out and tell how good the judges are.
    """
    with torch.random.fork_rng(devices=[]), torch_threads(config.threads):
        torch.manual_seed(config.seed)
        segmenter = Segmenter(config.kinds, config.colours, config.width)
        real = RealJudge(config.width)
        both = nn.ModuleList([segmenter, real])
        optimizer = torch.optim.AdamW(both.parameters(), config.learning_rate)
        begun = time.thread_time()
        for step in range(config.steps):
            batch = batches(step, config.batch)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * warmup_cosine(step, config.steps, 50)
            optimizer.zero_grad()
            _loss(segmenter, real, batch).backward()
            optimizer.step()
            progress(step + 1, config.steps)
        seconds = time.thread_time() - begun
        both.eval().requires_grad_(False)
        return _examined(segmenter, real, batches(config.steps, config.examined), seconds)


def judges_to_bytes(judges: Judges) -> bytes:
    """Both judges' weights as safetensors."""
    return save(nn.ModuleList([judges.segmenter, judges.real]).state_dict())


def judges_from_bytes(weights: bytes, config: JudgeConfig) -> tuple[Segmenter, RealJudge]:
    """Judges of `config` with stored weights, ready to judge."""
    both = nn.ModuleList(
        [Segmenter(config.kinds, config.colours, config.width), RealJudge(config.width)]
    )
    both.load_state_dict(load(weights))
    both.eval().requires_grad_(False)
    segmenter, real = both
    assert isinstance(segmenter, Segmenter)
    assert isinstance(real, RealJudge)
    return segmenter, real


def _loss(segmenter: Segmenter, real: RealJudge, batch: Judged) -> Tensor:
    pictures = to_signed(np.concatenate([batch.real, batch.pasted]))
    shape, colour = segmenter(pictures)  # pasted pictures are segmented too
    truth = [torch.from_numpy(np.concatenate([t, t])) for t in (batch.shape, batch.colour)]
    filmed = torch.arange(len(pictures)) < len(batch.real)
    # Objects cover a tenth of a picture: their pixels count as much as the ground's.
    weight = torch.where(truth[0] > 0, 3.0, 0.5)
    where = sum(
        (weight * F.cross_entropy(found, true, reduction="none")).mean()
        for found, true in zip((shape, colour), truth, strict=True)
    )
    return where + F.binary_cross_entropy_with_logits(real(pictures), filmed.float())


def _examined(segmenter: Segmenter, real: RealJudge, batch: Judged, seconds: float) -> Judges:
    shape, colour = (found.argmax(1).numpy() for found in segmenter(to_signed(batch.real)))
    objects = batch.shape > 0
    right = (shape == batch.shape) & (colour == batch.colour)
    called = [real(to_signed(images)) > 0 for images in (batch.real, batch.pasted)]
    accuracy = (called[0].float().mean() + (~called[1]).float().mean()).item() / 2
    return Judges(segmenter, real, float(right[objects].mean()), accuracy, seconds)


def _block(ins: int, outs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(ins, outs, 3, padding=1, padding_mode="replicate"),
        nn.BatchNorm2d(outs),
        nn.ReLU(),
    )


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
