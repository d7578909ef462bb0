"""Few-shot scores of the head and its baselines, all on the same problems, queries and k."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from models.tart.baselines import Array, logistic_probability, majority_probability
from models.tart.config import ScoresConfig
from models.tart.module import ReasoningHead
from models.tart.train import Problems
from models.training import torch_threads

_CHUNK = 256  # problems a forward pass: keeps the attention matrices of long sequences small
_SELF_CHECK_ERRORS = 5.0  # standard errors by which no method may beat the law itself


@dataclass(frozen=True)
class Score:
    """Quality of one method at k examples; auc is None when all queries have one label."""

    method: str
    k: int
    accuracy: float
    auc: float | None
    brier: float
    n_test: int


def score_problems(
    head: ReasoningHead, problems: Problems, config: ScoresConfig, alpha: float
) -> list[Score]:
    """Scores at every k: the query is point k of a problem (from 0), its examples are those before.

    alpha: the scale of the law's weights. "logistic regression" is the paper's bar, without
    penalty; "penalised regression" knows alpha and is penalised by 1/alpha^2, the prior of the
    law: the harder bar. "bayes" predicts with the law p_true itself, which no method can beat on
    average. Raises ValueError when k examples and a query do not fit into a problem or the head,
    and when a method beats the law by more than chance, since y cannot have come from p_true then.
    """
    x, y, p_true = problems
    needed = max(config.examples) + 1
    if needed > x.shape[1]:
        raise ValueError(
            f"k = {needed - 1} examples and a query need {needed} points a problem, "
            f"got {x.shape[1]}"
        )
    scores = []
    for k in config.examples:
        label = y[:, k]
        shots = x[:, :k], y[:, :k]
        probability = {
            "tart": expit(head_logits(head, *shots, x[:, k : k + 1])[:, 0]),
            "logistic regression": logistic_probability(*shots, x[:, k], 0.0),
            "penalised regression": logistic_probability(*shots, x[:, k], alpha**-2),
            "bayes": p_true[:, k].astype(np.float64),
            "majority": majority_probability(y[:, :k]),
        }
        for method, p in probability.items():
            _check_law(method, k, p, probability["bayes"], label)
            scores.append(Score(method, k, *measures(p, label), n_test=len(label)))
    return scores


def head_logits(head: ReasoningHead, x: Array, y: Array, queries: Array) -> Array:
    """The head's answers to every problem's queries: (B, k, D), (B, k), (B, Q, D) -> (B, Q)."""
    parts = [slice(i, i + _CHUNK) for i in range(0, len(x), _CHUNK)]
    with torch.inference_mode(), torch_threads(1):
        logits = [
            head.answer(*(torch.from_numpy(np.float32(a[part])) for a in (x, y, queries)))
            for part in parts
        ]
    return np.asarray(torch.cat(logits)).astype(np.float64)


def measures(probability: Array, label: Array) -> tuple[float, float | None, float]:
    """Accuracy at the threshold 1/2, area under the ROC curve, Brier score; from (B,) and (B,)."""
    accuracy = np.mean((probability >= 0.5) == (label >= 0.5))
    auc = None if label.min() == label.max() else float(roc_auc_score(label, probability))
    return float(accuracy), auc, float(np.mean((probability - label) ** 2))


def _check_law(method: str, k: int, p: Array, p_true: Array, label: Array) -> None:
    excess = (p_true - label) ** 2 - (p - label) ** 2
    standard_error = excess.std() / np.sqrt(len(excess))
    if excess.mean() > _SELF_CHECK_ERRORS * standard_error:
        raise ValueError(
            f"{method} at k = {k} beats the law p_true by {excess.mean():.4f} in Brier score: the "
            "labels y did not come from p_true"
        )
