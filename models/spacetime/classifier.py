"""SpaceTime's encoder with a classifier's head: one label for a whole series (section 4.2).

The encoder is the forecaster's: fixed residual filters and companion state spaces. Its outputs are
averaged over the steps a series has, and read out linearly. Everything is causal, so what pads a
short series to the length of its batch changes none of the steps that are averaged.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.progress import Progress, silent
from models.spacetime.classifier_config import ClassifierConfig
from models.spacetime.config import ModelConfig
from models.spacetime.forecaster import EncoderBlock, encode
from models.spacetime.layers import ResidualEmbedding
from models.spacetime.windows import Array
from models.training import torch_threads, warmup_cosine

_WARMUP = 0.1  # of the steps


class SeriesClassifier(nn.Module):
    """Series (B, C, L) of `lengths` (B,) steps to logits (B, classes)."""

    def __init__(self, config: ModelConfig, channels: int, classes: int) -> None:
        super().__init__()
        copies = config.kernels * config.heads
        width = channels * copies
        self.embedding = ResidualEmbedding(channels, copies, config.max_average)
        self.encoder = nn.Sequential(
            EncoderBlock(config, channels * config.kernels, config.heads),
            *(EncoderBlock(config, width, 1) for _ in range(config.blocks - 1)),
        )
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, classes)

    def forward(self, series: Tensor, lengths: Tensor) -> Tensor:
        z = encode(self.embedding, self.encoder, series)  # (B, D, L)
        steps = torch.arange(z.shape[-1], device=z.device)
        there = (steps < lengths.unsqueeze(-1)).unsqueeze(1)  # (B, 1, L)
        mean = (z * there).sum(-1) / lengths.unsqueeze(-1)
        logits: Tensor = self.readout(self.norm(mean))
        return logits


@dataclass(frozen=True)
class Classifier:
    """A fitted network with what it needs to read series in their own units."""

    network: SeriesClassifier
    mean: Array  # (C, 1), of the train series
    std: Array
    classes: tuple[str, ...]
    epochs: int
    train_seconds: float
    validation_loss: float

    def predict(self, series: Sequence[Array]) -> list[str]:
        """The label of every series (C, L_i). Raises ValueError for other channels than fitted."""
        if any(len(one) != len(self.mean) for one in series):
            raise ValueError(f"series must have {len(self.mean)} channels")
        inputs, lengths = _padded(series, self.mean, self.std)
        self.network.eval()
        with torch.inference_mode():
            best = self.network(inputs, lengths).argmax(-1)
        return [self.classes[i] for i in best.tolist()]


def fit_classifier(
    series: Sequence[Array],
    labels: Sequence[str],
    config: ClassifierConfig,
    seed: int,
    progress: Progress = silent,
) -> Classifier:
    """Fits a classifier to series (C, L_i), C alike, L_i at will; some of each class validate.

    Keeps the weights of the epoch with the smallest validation cross-entropy. Same data, config,
    seed and machine give the same weights. Progress counts epochs. Raises ValueError when there
    are fewer than two classes or a class has fewer than two series.
    """
    classes, target = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.bincount(target)
    if len(classes) < 2 or counts.min() < 2:
        raise ValueError("a classifier needs two classes, and two series of each, to learn from")
    values = np.concatenate(series, axis=1)
    mean, std = values.mean(axis=1, keepdims=True), values.std(axis=1, keepdims=True)
    std = np.where(std < 1e-9, 1.0, std)
    rng = np.random.default_rng(seed)
    validates = _stratified(target, config.validation, rng)
    started = time.perf_counter()
    with torch_threads(config.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SeriesClassifier(config.network, len(mean), len(classes))
        inputs, lengths = _padded(series, mean, std)
        epochs, loss = _train(
            network, (inputs, lengths, torch.from_numpy(target)), validates, config, progress
        )
    seconds = time.perf_counter() - started
    return Classifier(network.eval(), mean, std, tuple(classes.tolist()), epochs, seconds, loss)


def _train(
    network: SeriesClassifier,
    data: tuple[Tensor, Tensor, Tensor],
    validates: NDArray[np.bool_],
    config: ClassifierConfig,
    progress: Progress,
) -> tuple[int, float]:
    """Epochs taken and the smallest validation loss; the network is left with its weights."""
    inputs, lengths, target = data
    held_out, rows = (torch.from_numpy(np.flatnonzero(m)) for m in (validates, ~validates))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    steps = config.epochs * math.ceil(len(rows) / config.batch)
    best, best_epoch, weights, step = math.inf, 0, network.state_dict(), 0
    for epoch in range(1, config.epochs + 1):
        network.train()
        for part in rows[torch.randperm(len(rows))].split(config.batch):
            rate = warmup_cosine(step, steps, round(_WARMUP * steps))
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * rate
            loss = F.cross_entropy(network(inputs[part], lengths[part]), target[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        network.eval()
        with torch.inference_mode():
            logits = network(inputs[held_out], lengths[held_out])
            error = F.cross_entropy(logits, target[held_out]).item()
        if error < best:
            best, best_epoch, weights = error, epoch, copy.deepcopy(network.state_dict())
        progress(epoch, config.epochs)
        if epoch - best_epoch >= config.patience:
            break
    network.load_state_dict(weights)
    return epoch, best


def _stratified(
    target: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which rows validate: this share of every class, at least one, and never all of them."""
    validates = np.zeros(len(target), dtype=bool)
    for label in np.unique(target):
        rows = rng.permutation(np.flatnonzero(target == label))
        validates[rows[: min(max(round(share * len(rows)), 1), len(rows) - 1)]] = True
    return validates


def _padded(series: Sequence[Array], mean: Array, std: Array) -> tuple[Tensor, Tensor]:
    """Standardised series (n, C, longest), zeros after their ends, and their lengths (n,)."""
    lengths = torch.tensor([one.shape[1] for one in series])
    inputs = torch.zeros(len(series), len(mean), int(lengths.max()))
    for row, one in zip(inputs, series, strict=True):
        row[:, : one.shape[1]] = torch.from_numpy((one - mean) / std)
    return inputs, lengths
