"""Examples, what a model predicts where it is asked, the loss there, and its scores."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.sequence.backbone import Backbone
from models.sequence.config import BackboneConfig, Metric

IGNORED = -100


class Examples(NamedTuple):
    """inputs: tokens (n, L) or vectors (n, L, C); targets: classes or numbers, (n, L) or (n,).

    A class of IGNORED and a number of NaN ask for nothing.
    """

    inputs: Tensor
    targets: Tensor


def check_examples(examples: Examples, model: BackboneConfig) -> None:
    """Raises ValueError when a model cannot read the inputs or predict the targets."""
    inputs, targets = examples
    if not len(inputs) or len(inputs) != len(targets):
        raise ValueError(f"{len(inputs)} inputs and {len(targets)} targets: as many, at least one")
    if targets.ndim != (1 if model.pool else 2):
        raise ValueError(f"targets of shape {tuple(targets.shape)} where pool is {model.pool}")
    if model.vocabulary:
        if inputs.is_floating_point() or not 0 <= inputs.min() <= inputs.max() < model.vocabulary:
            raise ValueError(f"inputs are tokens from 0 to {model.vocabulary - 1}")
    elif not bool(torch.isfinite(inputs).all()):
        raise ValueError("inputs hold values that are not finite")
    if not targets.is_floating_point() and targets.max() >= model.outputs:
        raise ValueError(f"targets are classes from 0 to {model.outputs - 1}")


def evaluate(model: Backbone, examples: Examples, metric: Metric, batch: int = 64) -> float:
    """accuracy: mean over examples of the share of their asked positions answered; exact: share of
    examples with all of them right; perplexity: exp of the mean negative log-likelihood; mse.

    A model in training mode is given back in it.
    """
    was, device = model.training, next(model.parameters()).device
    model.eval()
    values: list[Tensor] = []
    weights: list[Tensor] = []
    with torch.inference_mode():
        for rows in torch.arange(len(examples.inputs)).split(batch):
            inputs, targets = (part[rows].to(device) for part in examples)
            predictions, asked, which = asked_of(model, inputs, targets)
            value, weight = _scores(predictions, asked, which, len(rows), metric)
            values.append(value.sum().double().cpu())
            weights.append(weight.sum().double().cpu())
    model.train(was)
    mean = (torch.stack(values).sum() / torch.stack(weights).sum().clamp(min=1)).item()
    return math.exp(mean) if metric == "perplexity" else mean


def _scores(
    predictions: Tensor, asked: Tensor, which: Tensor, n: int, metric: Metric
) -> tuple[Tensor, Tensor]:
    """What is averaged, and how many it counts for: by answer, or by example."""
    if metric == "mse":
        return (predictions.squeeze(-1) - asked).square(), torch.ones_like(asked)
    if metric == "perplexity":
        loss = F.cross_entropy(predictions.float(), asked, reduction="none")
        return loss, torch.ones_like(loss)
    right = (predictions.argmax(-1) == asked).float()
    there = torch.zeros(n, device=right.device).index_add_(0, which, torch.ones_like(right))
    share = torch.zeros_like(there).index_add_(0, which, right) / there.clamp(min=1)
    if metric == "exact":
        share = (share == 1).float()
    return share, (there > 0).float()


def asked_of(model: Backbone, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions (M, outputs) where something is asked, what is asked (M,), of which row (M,)."""
    if model.config.pool:
        return model(inputs), targets, torch.arange(len(targets), device=targets.device)
    there = ~targets.isnan() if targets.is_floating_point() else targets != IGNORED
    return model.head(model.hidden(inputs)[there]), targets[there], there.nonzero()[:, 0]


def loss_of(model: Backbone, inputs: Tensor, targets: Tensor) -> Tensor:
    predictions, asked, _ = asked_of(model, inputs, targets)
    if targets.is_floating_point():
        return F.mse_loss(predictions.squeeze(-1).float(), asked)
    return F.cross_entropy(predictions.float(), asked)
