"""Training of a reasoning head on an infinite stream of synthetic problems; killed, it resumes.

With torch.distributed initialised, each process takes its share of every batch.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.progress import Progress, silent
from models.tart.config import HeadConfig, TrainConfig
from models.tart.module import ReasoningHead
from models.training import average_gradients, torch_threads, warmup_cosine

logger = logging.getLogger(__name__)

_SAVE_EVERY_SECONDS = 20.0

Array = NDArray[np.floating]
# x (B, P, D), y (B, P) of 0 or 1, and p_true (B, Q) = sigmoid(x . w), the law that the labels of
# the last Q points came from: the queries. Q = P for causal heads, where every point is one.
Problems = tuple[Array, Array, Array]


@dataclass(frozen=True)
class TrainingRecord:
    """Where training stood after `step` steps; loss and accuracy are means since the one before."""

    step: int
    points: int
    loss: float  # nats
    accuracy: float  # against sampled labels, over all queries
    seconds: float  # of training, up to here


def train_head(
    head_config: HeadConfig,
    config: TrainConfig,
    batch_at: Callable[[int], Problems],
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> tuple[ReasoningHead, list[TrainingRecord]]:
    """The head after `config.steps` steps of binary cross entropy over all queries.

    batch_at: the problems of a step, 0 <= step < config.steps. A head is a function of both
    configurations and these batches: equal ones give equal weights, bit for bit on one machine,
    also when training was killed on the way and found its state again in `folder`.
    Raises ValueError when CUDA is asked for and absent, when the loss stops being finite, and when
    the state in `folder` is that of another training.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("training asks for device 'cuda', which is absent here; set it to 'cpu'")
    with torch_threads(config.threads):
        training = _Training(head_config, config)
        state = None if folder is None else folder / "training.pt"
        if state is not None and state.exists():
            training.load(state)
        training.run(batch_at, state, progress)
    return training.head.eval(), training.records


class _Training:
    """Everything that changes from step to step."""

    def __init__(self, head_config: HeadConfig, config: TrainConfig) -> None:
        self.config = config
        self.recipe = head_config.model_dump_json() + config.model_dump_json(
            exclude={"steps", "decay"}
        )
        self.head = ReasoningHead(head_config, config.seed).to(config.device)
        self.optimisers = _optimisers(self.head, config)
        self.step = 0
        self.records: list[TrainingRecord] = []
        self.losses: list[Tensor] = []  # of the steps since the last record
        self.hits: list[Tensor] = []
        self.seconds = 0.0

    def run(
        self, batch_at: Callable[[int], Problems], state: Path | None, progress: Progress
    ) -> None:
        begun = time.perf_counter() - self.seconds
        saved = time.monotonic()
        while self.step < self.config.steps:
            points = self._descend(batch_at(self.step))
            self.seconds = time.perf_counter() - begun
            if self.step % self.config.log_every == 0 or self.step == self.config.steps:
                self._record(points)
            if state is not None and time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                self.save(state)
                saved = time.monotonic()
            progress(self.step, self.config.steps)

    def save(self, path: Path) -> None:
        """All of the training in one file, which replaces the one before at once."""
        if dist.is_initialized() and dist.get_rank():
            return
        temporary = path.with_suffix(".part")
        state = {
            "recipe": self.recipe,
            "end": {"steps": self.config.steps, "decay": self.config.decay},
            "step": self.step,
            "head": self.head.state_dict(),
            "optimisers": [each.state_dict() for each in self.optimisers],
            "records": [asdict(record) for record in self.records],
            "losses": self.losses,
            "hits": self.hits,
            "seconds": self.seconds,
        }
        torch.save(state, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Takes up a training of the same recipe.

        Another end is no other training as long as the learning rate went the same way up to here:
        constant, or a trapezoid before it falls.
        """
        state = torch.load(path, weights_only=True, map_location=self.config.device)
        before = self.config.model_copy(update=state["end"])
        falls_from = min(_falls_from(self.config), _falls_from(before))
        same_way = before == self.config or state["step"] <= falls_from
        if state["recipe"] != self.recipe or not same_way:
            raise ValueError(
                f"{path} is the state of a training by another recipe: remove it to begin anew"
            )
        self.step, self.seconds = state["step"], state["seconds"]
        self.head.load_state_dict(state["head"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.records = [TrainingRecord(**record) for record in state["records"]]
        self.losses, self.hits = state["losses"], state["hits"]

    def _descend(self, problems: Problems) -> int:
        """One step; the number of points of its problems."""
        config, head = self.config, self.head
        shared = dist.is_initialized()
        rank, size = (dist.get_rank(), dist.get_world_size()) if shared else (0, 1)
        x, y, p_true = (
            torch.from_numpy(np.array_split(part, size)[rank]).to(config.device)
            for part in problems
        )
        k = x.shape[1] - p_true.shape[1]
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bfloat16"):
            logits = head.answer(x[:, :k], y[:, :k], x[:, k:]) if k else head(x, y)
        label = y[:, k:]
        targets = p_true if config.targets == "probabilities" else label
        loss = F.binary_cross_entropy_with_logits(logits, targets)
        head.zero_grad()
        torch.autograd.backward(loss)
        if shared:
            average_gradients(head)
        if config.clip is not None:
            nn.utils.clip_grad_norm_(head.parameters(), config.clip)
        factor = _rate(config, self.step)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = factor * group["peak_lr"]
            optimiser.step()
        self.step += 1
        self.losses.append(loss.detach())
        self.hits.append(((logits.detach() >= 0) == (label >= 0.5)).float().mean())
        return x.shape[1]

    def _record(self, points: int) -> None:
        record = TrainingRecord(
            step=self.step,
            points=points,
            loss=torch.stack(self.losses).mean().item(),
            accuracy=torch.stack(self.hits).mean().item(),
            seconds=self.seconds,
        )
        if not math.isfinite(record.loss):
            raise ValueError(
                f"the loss is {record.loss} at step {self.step}: lower learning_rate or "
                "matrix_learning_rate, or set clip"
            )
        logger.info("step %d: loss %.4f", self.step, record.loss)
        self.records.append(record)
        self.losses, self.hits = [], []


def head_to_bytes(head: ReasoningHead) -> bytes:
    """The weights as a safetensors file."""
    return safetensors.torch.save({k: v.cpu() for k, v in head.state_dict().items()})


def head_from_bytes(weights: bytes, config: HeadConfig) -> ReasoningHead:
    """The head that `head_to_bytes` wrote, on the CPU; ValueError when it has other sizes."""
    head = ReasoningHead(config)
    try:
        head.load_state_dict(safetensors.torch.load(weights))
    except RuntimeError as error:
        raise ValueError("the weights are not those of a head of this configuration") from error
    return head.eval()


def _optimisers(head: ReasoningHead, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Adam for everything, or Muon for the blocks' matrices and Adam for the rest."""
    # The small networks that draw Hyena's filters are no maps of the trunk.
    matrices = [
        module.weight
        for name, module in head.blocks.named_modules()
        if isinstance(module, nn.Linear) and ".filter." not in name
    ]
    optimisers: list[torch.optim.Optimizer]
    if config.matrix_learning_rate is None:
        optimisers = [torch.optim.Adam(_groups(head, [], config.learning_rate))]
    else:
        optimisers = [
            torch.optim.Muon(matrices, lr=config.matrix_learning_rate, weight_decay=0.0),
            torch.optim.Adam(_groups(head, matrices, config.learning_rate)),
        ]
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["peak_lr"] = group["lr"]
    return optimisers


def _groups(head: ReasoningHead, but: list[Tensor], rate: float) -> list[dict[str, Any]]:
    """Adam's groups of all parameters but some, by rate: state spaces may have a lower one."""
    left_out = {id(p) for p in but}
    groups: dict[float, list[nn.Parameter]] = {}
    for module in head.modules():
        slower = getattr(module, "rates", {})
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in left_out:
                own = min(rate, slower[name].highest) if name in slower else rate
                groups.setdefault(own, []).append(parameter)
    return [{"params": members, "lr": own} for own, members in groups.items()]


def _rate(config: TrainConfig, step: int) -> float:
    """Share of the peak learning rate at `step`."""
    if config.schedule == "cosine":
        return warmup_cosine(step, config.steps, config.warmup)
    rate = warmup_cosine(step, math.inf, config.warmup)
    if config.schedule == "trapezoid" and config.decay:
        rate = min(rate, (config.steps - step) / config.decay)
    return rate


def _falls_from(config: TrainConfig) -> float:
    """The step from which the learning rate depends on where the training ends."""
    if config.schedule == "constant":
        return math.inf
    return config.steps - (config.decay if config.schedule == "trapezoid" else config.steps)
