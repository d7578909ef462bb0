"""Training of a reasoning head on an infinite stream of synthetic problems."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.progress import Progress, silent
from models.tart.config import HeadConfig, TrainConfig
from models.tart.module import ReasoningHead
from models.training import torch_threads, warmup_cosine

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]
# x (B, P, D), y (B, P) of 0 or 1, and the law p_true (B, P) = sigmoid(x . w) that y came from.
Problems = tuple[Array, Array, Array]


@dataclass(frozen=True)
class TrainingRecord:
    """Where training stood after `step` steps; loss and accuracy are means since the one before."""

    step: int
    points: int
    loss: float  # nats
    accuracy: float  # against sampled labels, over all positions
    seconds: float  # since the start of training


def train_head(
    head_config: HeadConfig,
    config: TrainConfig,
    batch_at: Callable[[int], Problems],
    progress: Progress = silent,
) -> tuple[ReasoningHead, list[TrainingRecord]]:
    """The head after `config.steps` steps of binary cross entropy over all positions.

    batch_at: the problems of a step, 0 <= step < config.steps. A head is a function of both
    configurations and these batches: equal ones give equal weights, bit for bit on one machine.
    Raises ValueError when CUDA is asked for and absent, or when the loss stops being finite.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("training asks for device 'cuda', which is absent here; set it to 'cpu'")
    records: list[TrainingRecord] = []
    started = time.perf_counter()
    with torch_threads(config.threads):
        head = ReasoningHead(head_config, config.seed).to(config.device)
        optimisers = _optimisers(head, config)
        losses: list[Tensor] = []
        hits: list[Tensor] = []
        for step in range(config.steps):
            x, y, p_true = (torch.from_numpy(a).to(config.device) for a in batch_at(step))
            logits = head(x, y)
            targets = p_true if config.targets == "probabilities" else y
            loss = F.binary_cross_entropy_with_logits(logits, targets)
            _descend(head, optimisers, loss, config, step)
            losses.append(loss.detach())
            hits.append(((logits.detach() >= 0) == (y >= 0.5)).float().mean())
            done = step + 1
            if done % config.log_every == 0 or done == config.steps:
                record = TrainingRecord(
                    step=done,
                    points=x.shape[1],
                    loss=torch.stack(losses).mean().item(),
                    accuracy=torch.stack(hits).mean().item(),
                    seconds=time.perf_counter() - started,
                )
                if not math.isfinite(record.loss):
                    raise ValueError(
                        f"the loss is {record.loss} at step {done}: lower learning_rate or "
                        "matrix_learning_rate, or set clip"
                    )
                logger.info("step %d: loss %.4f", done, record.loss)
                records.append(record)
                losses, hits = [], []
            progress(done, config.steps)
    return head.eval(), records


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
    matrices = [p for p in head.blocks.parameters() if p.ndim == 2]
    if config.matrix_learning_rate is None:
        return [torch.optim.Adam(head.parameters(), lr=config.learning_rate)]
    ids = {id(p) for p in matrices}
    rest = [p for p in head.parameters() if id(p) not in ids]
    return [
        torch.optim.Muon(matrices, lr=config.matrix_learning_rate, weight_decay=0.0),
        torch.optim.Adam(rest, lr=config.learning_rate),
    ]


def _descend(
    head: ReasoningHead,
    optimisers: list[torch.optim.Optimizer],
    loss: Tensor,
    config: TrainConfig,
    step: int,
) -> None:
    steps = config.steps if config.schedule == "cosine" else math.inf
    factor = warmup_cosine(step, steps, config.warmup)
    head.zero_grad()
    torch.autograd.backward(loss)
    if config.clip is not None:
        nn.utils.clip_grad_norm_(head.parameters(), config.clip)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = factor * group.setdefault("peak_lr", group["lr"])
        optimiser.step()
