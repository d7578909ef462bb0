"""Fits a backbone to any task; a fit that was killed goes on where it was.

Targets are classes or numbers at labelled positions only, and only there is the head computed:
the same loss, several times as fast with large vocabularies. With torch.distributed initialised,
every process takes its share of each batch and gradients are averaged.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from models.progress import Progress, silent
from models.sequence.backbone import Backbone
from models.sequence.config import BackboneConfig, Metric, TrainConfig
from models.sequence.scores import Examples, check_examples, evaluate, loss_of
from models.training import average_gradients, torch_threads, warmup_cosine

_SAVE_EVERY_SECONDS = 20.0


class DivergenceError(ValueError):
    """Training met a loss that is no number."""


@dataclass
class Course:
    """How far a fit has come, and what it looked like at each look."""

    steps: int = 0
    seconds: float = 0.0
    stopped: bool = False
    at: list[int] = field(default_factory=list)  # [steps]
    train: list[float] = field(default_factory=list)  # mean loss since the last look
    validation: list[float] = field(default_factory=list)


def train_backbone(
    train: Examples,
    validation: Examples,
    model: BackboneConfig,
    config: TrainConfig,
    *,
    metric: Metric,
    seed: int,
    folder: Path | None = None,
    progress: Progress = silent,
) -> tuple[Backbone, Course]:
    """The backbone after all its steps, and the course of its fit; progress counts steps.

    folder: where the state of the fit is kept; given the same folder again, a fit that was killed
    goes on from there, batch for batch. Raises ValueError for examples that do not fit the model,
    DivergenceError when the loss is no longer finite.
    """
    check_examples(train, model)
    check_examples(validation, model)
    with torch.random.fork_rng(devices=[]), torch_threads(config.threads):
        torch.manual_seed(seed)
        fit = _Fit(train, validation, model, config, metric=metric, seed=seed)
        state = None if folder is None else folder / "fit.pt"
        if state is not None and state.exists():
            fit.load(state)
        fit.run(state, progress)
    return fit.model.eval().cpu(), fit.course


class _Fit:
    """Everything that changes during a fit."""

    def __init__(
        self,
        train: Examples,
        validation: Examples,
        model: BackboneConfig,
        config: TrainConfig,
        *,
        metric: Metric,
        seed: int,
    ) -> None:
        self.config, self.metric, self.validation = config, metric, validation
        self.model = Backbone(model).to(config.device)
        self.train = Examples(*(part.to(config.device) for part in train))
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, config), betas=(0.9, config.beta2)
        )
        self.order = torch.Generator().manual_seed(seed)
        self.course = Course()
        self.steps = max(round(math.ceil(len(train.inputs) / config.batch) * config.epochs), 1)

    def run(self, state: Path | None, progress: Progress) -> None:
        config, course = self.config, self.course
        # On one processor its own time, fair on a busy machine; else what a clock says.
        alone = config.threads == 1 and config.device == "cpu"
        clock = time.thread_time if alone else time.perf_counter
        begun, saved, losses = clock() - course.seconds, time.monotonic(), list[Tensor]()
        self.model.train()
        for rows in self._batches(course.steps):
            if course.steps >= self.steps or course.stopped:
                break
            losses.append(self._step(rows))
            course.steps += 1
            course.seconds = clock() - begun
            if course.steps * config.checks >= self.steps * (len(course.at) + 1):
                looked = clock()
                self._look(losses)
                begun += clock() - looked  # looking is no training
                losses = []
            progress(course.steps, self.steps)
            if state is not None and time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                self.save(state)
                saved = time.monotonic()

    def save(self, path: Path) -> None:
        """All of the fit in one file, which replaces the one before at once."""
        if dist.is_initialized() and dist.get_rank():
            return
        temporary = path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state(),
                "course": vars(self.course),
            },
            temporary,
        )
        temporary.replace(path)

    def load(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        torch.set_rng_state(kept["random"])
        self.course = Course(**kept["course"])

    def _batches(self, first: int) -> Iterator[Tensor]:
        """Rows of batch `first` and all that follow: each epoch in an order of its own."""
        n, step = len(self.train.inputs), 0
        while True:
            for rows in torch.randperm(n, generator=self.order).split(self.config.batch):
                if step >= first:
                    yield rows
                step += 1

    def _step(self, rows: Tensor) -> Tensor:
        config, done = self.config, self.course.steps
        share = warmup_cosine(done, self.steps, round(config.warmup * self.steps))
        share = config.floor + (1 - config.floor) * share if done else share
        for group in self.optimizer.param_groups:
            group["lr"] = share * group["peak"]
        if dist.is_initialized():
            rows = rows.tensor_split(dist.get_world_size())[dist.get_rank()]
        inputs, targets = (part[rows] for part in self.train)
        length = inputs.shape[1] >> self._halvings(done)
        if length < inputs.shape[1] and targets.ndim == 2:
            inputs, targets = inputs[:, :length], targets[:, :length]
        with torch.autocast(config.device, torch.bfloat16, enabled=config.amp):
            loss = loss_of(self.model, inputs, targets)
        self.optimizer.zero_grad()
        loss.backward()
        if dist.is_initialized():
            average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        return loss.detach()

    def _halvings(self, done: int) -> int:
        """How often the length is halved at this step."""
        n = self.config.lengthenings
        return max(n - int(2 * n * done / self.steps), 0)

    def _look(self, losses: list[Tensor]) -> None:
        """Notes loss and metric; ends a fit that has reached what was asked of it."""
        course, aim = self.course, self.config.stop_at
        mean = torch.stack(losses).mean().item() if losses else math.nan
        if not math.isfinite(mean):
            raise DivergenceError(
                f"the loss was {mean} by step {course.steps}: lower the learning rate"
            )
        course.at.append(course.steps)
        course.train.append(mean)
        found = evaluate(self.model, self.validation, self.metric, self.config.batch)
        course.validation.append(found)
        if aim is not None:
            lower = self.metric in ("perplexity", "mse")
            course.stopped = found <= aim if lower else found >= aim


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, object]]:
    """AdamW's groups: matrices decay; vectors, norms and what has a rate of its own do not."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        rates = getattr(module, "rates", {})
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in seen:  # a tied head
                continue
            seen.add(parameter)
            rate, decay = config.learning_rate, config.weight_decay
            if name in rates:
                rate, decay = min(rate, rates[name].highest), 0.0
            elif parameter.ndim < 2:
                decay = 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": members, "lr": rate, "peak": rate, "weight_decay": decay}
        for (rate, decay), members in groups.items()
    ]
