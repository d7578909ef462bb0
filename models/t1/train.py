"""Fits one operator within a time budget; a fit that was killed goes on where it was."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from models.progress import Progress, silent
from models.t1.config import ModelConfig, TrainConfig
from models.t1.operator import Operator, check_fields, choose_modes
from models.t1.symmetries import Fields, copies
from models.training import torch_threads

# Share of the budget over which the rate rises. With less, high rates throw a T1 into a state that
# predicts the mean field and never leaves it.
_WARMUP = 0.15
_SAVE_EVERY_SECONDS = 5.0


class DivergenceError(ValueError):
    """Training ended without a single finite validation error."""


@dataclass
class Course:
    """How far a fit has come: at each look, the time used and the relative L2 errors."""

    steps: int = 0
    seconds: float = 0.0
    best: float = math.inf
    at: list[float] = field(default_factory=list)  # [s]
    train: list[float] = field(default_factory=list)  # mean over the steps since the last look
    validation: list[float] = field(default_factory=list)


def train_operator(
    train: Fields,
    validation: Fields,
    model: ModelConfig,
    config: TrainConfig,
    seed: int,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> tuple[Operator, Course]:
    """The operator of the smallest validation error, and the course of its fit.

    folder: where the state of the fit is kept between looks; given the same folder again, a fit
    that was killed goes on from its last state; the rest of the epoch it was in is drawn anew.
    Progress counts looks at the validation samples.
    Raises ValueError for fields that are not finite or do not fit, DivergenceError when training
    diverges.
    """
    for part in (train, validation):
        check_fields(part.u, train.u.shape[1], train.u.ndim - 2)
        check_fields(part.y, train.y.shape[1], train.u.ndim - 2)
    fit = _Fit(copies(train, config.shifts, config.mirrored), validation, model, config, seed)
    state = None if folder is None else folder / "fit.pt"
    if state is not None and state.exists():
        fit.load(state)
    with torch.random.fork_rng(devices=[]), torch_threads(config.threads):
        fit.run(state, progress)
    if not math.isfinite(fit.course.best):
        raise DivergenceError(
            f"training of {model.model} diverged with seed {seed}: lower the learning rate"
        )
    fit.operator.load_state_dict(fit.best)
    return fit.operator.eval().cpu(), fit.course


def relative_l2(prediction: Tensor, target: Tensor, outside: Tensor, norm: Tensor) -> Tensor:
    """||prediction - target|| / ||y|| for each sample and channel: (B, C).

    Between orthonormal coefficients or between fields alike (Parseval). outside: squared norm of
    what y has outside of the coefficients kept, (B, C); norm: that of all of y in the same units.
    """
    squares = (prediction - target).flatten(2).square().sum(-1) + outside
    return squares.clamp(min=1e-24).sqrt() / norm


class _Fit:
    """Everything that changes during a fit."""

    def __init__(
        self, train: Fields, validation: Fields, model: ModelConfig, config: TrainConfig, seed: int
    ) -> None:
        self.config = config
        kept = choose_modes(model, *train)
        channels = (train.u.shape[1], train.y.shape[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.operator = Operator(model, channels, train.u.shape[2:], kept)
        self.operator.to(config.device)
        # The one transform of a whole fit: from here on a T1 sees coefficients only.
        encoded = self._encoded(train)
        self.operator.set_scales(encoded[0], encoded[1])
        self.train, self.validation = (
            (self.operator.standardised(u), *rest)
            for u, *rest in (encoded, self._encoded(validation))
        )
        self.optimizer = torch.optim.AdamW(
            self.operator.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.order = torch.Generator().manual_seed(seed)
        self.course = Course()
        self.best = copy.deepcopy(self.operator.state_dict())
        # Time on the one processor at work: the wall time of an otherwise idle machine, and a fair
        # budget on a busy one.
        alone = config.threads == 1 and config.device == "cpu"
        self.clock: Callable[[], float] = time.thread_time if alone else time.perf_counter

    def run(self, state: Path | None, progress: Progress) -> None:
        config, course = self.config, self.course
        n = len(self.train[0])
        steps = math.ceil(n / config.batch) * config.epochs
        begun, saved = self.clock() - course.seconds, time.monotonic()
        losses: list[float] = []
        done = self._done(steps)
        while done < 1:
            for rows in torch.randperm(n, generator=self.order).split(config.batch):
                for group in self.optimizer.param_groups:
                    group["lr"] = config.learning_rate * self._rate(done)
                losses.append(self._step(rows))
                course.steps += 1
                course.seconds = self.clock() - begun
                done = self._done(steps)
                if done >= 1 or done * config.checks >= len(course.at) + 1:
                    looked = self.clock()
                    self._look(losses)
                    begun += self.clock() - looked  # looking is no training
                    losses = []
                    progress(min(len(course.at), config.checks), config.checks)
                    if state is not None and time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                        self.save(state)
                        saved = time.monotonic()
                if done >= 1:
                    break

    def save(self, path: Path) -> None:
        """All of the fit in one file, which replaces the one before at once."""
        temporary = path.with_suffix(".part")
        torch.save(
            {
                "operator": self.operator.state_dict(),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "order": self.order.get_state(),
                "course": vars(self.course),
            },
            temporary,
        )
        temporary.replace(path)

    def load(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        self.operator.load_state_dict(kept["operator"])
        self.best = kept["best"]
        self.optimizer.load_state_dict(kept["optimizer"])
        self.order.set_state(kept["order"])
        self.course = Course(**kept["course"])

    def _step(self, rows: Tensor) -> float:
        u, y, outside, norm = (part[rows] for part in self.train)
        loss = relative_l2(self.operator.run(u), y, outside, norm).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _look(self, losses: list[float]) -> None:
        """Notes the errors, and the weights if none were better."""
        course = self.course
        errors = []
        with torch.inference_mode():
            for rows in torch.arange(len(self.validation[0])).split(self.config.batch):
                u, y, outside, norm = (part[rows] for part in self.validation)
                errors.append(relative_l2(self.operator.run(u), y, outside, norm))
        error = torch.cat(errors).mean().item()
        course.at.append(course.seconds)
        course.train.append(sum(losses) / max(len(losses), 1))
        course.validation.append(error)
        if error < course.best:
            course.best, self.best = error, copy.deepcopy(self.operator.state_dict())

    def _done(self, steps: int) -> float:
        """Share of the fit that is over, by its epochs or by its time."""
        seconds = self.config.seconds
        spent = 0.0 if seconds is None else self.course.seconds / seconds
        return max(self.course.steps / steps, spent)

    def _rate(self, done: float) -> float:
        """Share of the peak learning rate."""
        if done < _WARMUP:
            return (done + 1e-3) / (_WARMUP + 1e-3)
        if self.config.schedule == "halving":
            return 0.5 ** math.floor(5 * done)
        return 0.5 * (1 + math.cos(math.pi * (done - _WARMUP) / (1 - _WARMUP)))

    def _encoded(self, fields: Fields) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encoded inputs and targets; of each target (n, C) the energy left out and the norm."""
        u, y = (
            torch.as_tensor(part, dtype=torch.float32).to(self.config.device) for part in fields
        )
        with torch.no_grad():
            target = self.operator.net.encode(y)
            norm = y.flatten(2).square().sum(-1)
            outside = (norm - target.flatten(2).square().sum(-1)).clamp(min=0.0)
            return self.operator.net.encode(u), target, outside, norm.clamp(min=1e-24).sqrt()
