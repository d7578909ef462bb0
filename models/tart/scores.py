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


def score_problems(head: ReasoningHead, problems: Problems, config: ScoresConfig) -> list[Score]:
    """Scores at every k: the query is point k of a problem (from 0), its examples are those before.

    "bayes" predicts with the law p_true itself, which no method can beat on average. Raises
    ValueError when k examples and a query do not fit into a problem or the head, and when a method
    beats the law by more than chance, since y cannot have come from p_true then.
    """
    x, y, p_true = problems
    needed = max(config.examples) + 1
    if needed > x.shape[1]:
        raise ValueError(
            f"k = {needed - 1} examples and a query need {needed} points a problem, "
            f"got {x.shape[1]}"
        )
    logits = head_logits(head, x[:, :needed], y[:, :needed])
    scores = []
    for k in config.examples:
        label = y[:, k]
        probability = {
            "tart": expit(logits[:, k].astype(np.float64)),
            "logistic regression": logistic_probability(
                x[:, :k], y[:, :k], x[:, k], config.penalty
            ),
            "bayes": p_true[:, k].astype(np.float64),
            "majority": majority_probability(y[:, :k]),
        }
        for method, p in probability.items():
            _check_law(method, k, p, probability["bayes"], label)
            scores.append(Score(method, k, *measures(p, label), n_test=len(label)))
    return scores


def head_logits(head: ReasoningHead, x: Array, y: Array) -> Array:
    """The head's logits at all positions, (B, P, D), (B, P) -> (B, P)."""
    chunks = [slice(i, i + _CHUNK) for i in range(0, len(x), _CHUNK)]
    with torch.inference_mode(), torch_threads(1):
        logits = [head(torch.from_numpy(x[c]), torch.from_numpy(y[c])) for c in chunks]
    return np.asarray(torch.cat(logits))


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
