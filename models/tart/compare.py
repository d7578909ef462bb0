"""TART and its rivals on one choice of examples and queries, all on the same representations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from models.tart.features import fit_features
from models.tart.module import ReasoningHead
from models.tart.predict import (
    Probabilities,
    by_head,
    by_majority,
    by_regression,
    class_measures,
)

_PENALTY = 1.0  # of the penalised rivals: scikit-learn's default


@dataclass(frozen=True)
class ClassScore:
    """Quality of one method; auc is None when a class has no or all queries."""

    method: str
    accuracy: float
    auc: float | None
    brier: float
    n_test: int


def compare(
    head: ReasoningHead,
    shots: NDArray[np.floating],
    y: NDArray[np.integer],
    queries: NDArray[np.floating],
    classes: int,
) -> dict[str, Probabilities]:
    """Class probabilities (Q, C) by every method that reads representations.

    shots (k, N), y (k,) of 0 .. C - 1, queries (Q, N). The head and both regressions read the same
    points; the linear head reads the representations themselves, to one common scale. Raises
    ValueError as `fit_features` does, and when there are more examples than the head reads.
    """
    features = fit_features(shots, head.config.width_in)
    x, asked = features(shots), features(queries)
    return {
        "tart": by_head(head, x, y, asked, classes),
        "logistic regression": by_regression(x, y, asked, classes, 0.0),
        "penalised regression": by_regression(x, y, asked, classes, _PENALTY),
        "linear head": _linear_head(shots, y, queries),
        "majority": by_majority(y, len(queries), classes),
    }


def in_context(
    label_logprobs: NDArray[np.floating], content_free: NDArray[np.floating]
) -> dict[str, Probabilities]:
    """In-context learning: what the model itself says after the examples, (Q, C), (C,) -> (Q, C).

    Calibrated: divided by what it says of a query without content (Zhao et al., 2021).
    """
    return {
        "icl": softmax(label_logprobs, axis=1),
        "calibrated icl": softmax(label_logprobs - content_free, axis=1),
    }


def class_scores(
    predicted: dict[str, Probabilities], label: NDArray[np.integer]
) -> list[ClassScore]:
    """Scores of every method on the same queries."""
    return [
        ClassScore(method, *class_measures(p, label), n_test=len(label))
        for method, p in predicted.items()
    ]


def _linear_head(
    shots: NDArray[np.floating], y: NDArray[np.integer], queries: NDArray[np.floating]
) -> Probabilities:
    """The last layer alone, trained: a penalised regression with intercept."""
    mean, scale = shots.mean(axis=0), shots.std() or 1.0
    fitted = LogisticRegression(C=1 / _PENALTY, max_iter=2000).fit((shots - mean) / scale, y)
    return np.asarray(fitted.predict_proba((queries - mean) / scale))
