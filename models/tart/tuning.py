"""Fine-tuning all weights of a language model to the few examples: the rival with most freedom."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.lm.padding import padded_right
from models.lm.transformers import TransformersModel
from models.progress import Progress, silent
from models.training import torch_threads, warmup_cosine

_QUERY_BATCH = 16
_WEIGHT_DECAY = 0.01
# The new last layer starts from nothing and needs a larger rate than the weights below it.
_HEAD_RATE = 50.0
_WARMUP = 0.1  # share of the steps


@dataclass(frozen=True)
class Tuned:
    """Class probabilities of the queries (Q, C), and the wall time of fit and queries [s]."""

    probabilities: NDArray[np.float64]
    seconds: float


class _Classifier(nn.Module):
    """A decoder with a linear layer on the mean of its last states."""

    def __init__(self, decoder: Any, width: int, classes: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.head = nn.Linear(width, classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """(B, L), (B,) -> (B, C); a causal decoder does not see the padding on the right."""
        states = self.decoder(input_ids=ids, use_cache=False).last_hidden_state
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).float()
        mean = (states * mask[..., None]).sum(1) / lengths[:, None]
        logits: Tensor = self.head(mean)
        return logits


def fine_tune(
    model: TransformersModel,
    texts: Sequence[str],
    labels: Sequence[int],
    queries: Sequence[str],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    threads: int = 1,
    progress: Progress = silent,
) -> Tuned:
    """Fits a copy of the model and a new last layer to k (text, class); `model` stays as it is.

    AdamW in float32 with warm-up and cosine decay. Progress counts epochs.
    """
    started = time.perf_counter()
    rows = [model.codec.encode(text) for text in texts]
    with torch_threads(threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = _fresh(model, max(labels) + 1)
        optimiser = torch.optim.AdamW(
            [
                {"params": classifier.decoder.parameters(), "peak": learning_rate},
                {"params": classifier.head.parameters(), "peak": learning_rate * _HEAD_RATE},
            ],
            weight_decay=_WEIGHT_DECAY,
        )
        steps, step = epochs * -(-len(rows) // batch), 0
        classifier.train()
        for epoch in range(epochs):
            for chosen in torch.randperm(len(rows)).split(batch):
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * warmup_cosine(step, steps, int(steps * _WARMUP))
                logits = classifier(*_padded([rows[i] for i in chosen.tolist()], model))
                target = torch.tensor([labels[i] for i in chosen.tolist()], device=logits.device)
                optimiser.zero_grad()
                F.cross_entropy(logits, target).backward()
                optimiser.step()
                step += 1
            progress(epoch + 1, epochs)
        probabilities = _asked(classifier.eval(), [model.codec.encode(q) for q in queries], model)
    return Tuned(probabilities, time.perf_counter() - started)


def _fresh(model: TransformersModel, classes: int) -> _Classifier:
    decoder: Any = copy.deepcopy(model.model.base_model).float()
    width = int(model.model.config.get_text_config().hidden_size)
    return _Classifier(decoder, width, classes).to(model.model.device)


@torch.inference_mode()
def _asked(
    classifier: _Classifier, rows: Sequence[list[int]], model: TransformersModel
) -> NDArray[np.float64]:
    parts = [rows[i : i + _QUERY_BATCH] for i in range(0, len(rows), _QUERY_BATCH)]
    logits = [classifier(*_padded(part, model)) for part in parts]
    return torch.cat(logits).double().softmax(-1).cpu().numpy()


def _padded(rows: Sequence[list[int]], model: TransformersModel) -> tuple[Tensor, Tensor]:
    device = model.model.device
    return padded_right(rows, device), torch.tensor([len(row) for row in rows], device=device)
