"""Class probabilities of queries from k labelled points: by the head, and by its rivals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from models.tart.baselines import Array, logistic_weights
from models.tart.module import ReasoningHead
from models.tart.scores import head_logits

_QUERIES = 1024  # queries a forward pass

Probabilities = NDArray[np.float64]
Labels = NDArray[np.integer]  # classes as 0 .. C - 1


def by_head(
    head: ReasoningHead, x: Array, y: Labels, queries: Array, classes: int
) -> Probabilities:
    """One class against the rest: (k, D), (k,) of 0 .. C - 1, (Q, D) -> (Q, C), rows sum to 1.

    Two classes are one problem. With more, the head answers one problem a class and the
    probabilities of "this one" are scaled to sum to 1.
    """
    binary = _against_rest(y, classes)  # (C', k)
    x = np.broadcast_to(x, (len(binary), *x.shape))
    answers = [
        head_logits(head, x, binary, np.broadcast_to(part, (len(binary), *part.shape)))
        for part in np.array_split(queries, max(1, -(-len(queries) // _QUERIES)))
    ]
    return _as_classes(expit(np.concatenate(answers, axis=1)))


def by_regression(
    x: Array, y: Labels, queries: Array, classes: int, penalty: float
) -> Probabilities:
    """Logistic regression without intercept on the same points, in the same way; see `by_head`."""
    binary = _against_rest(y, classes)
    w = logistic_weights(np.broadcast_to(x, (len(binary), *x.shape)), binary, penalty)  # (C', D)
    return _as_classes(expit(w @ np.asarray(queries, dtype=np.float64).T))


def by_majority(y: Labels, queries: int, classes: int) -> Probabilities:
    """The classes' shares among the examples, by Laplace's rule: (Q, C)."""
    counts = np.bincount(y, minlength=classes) + 1.0
    return np.tile(counts / counts.sum(), (queries, 1))


def class_measures(
    p: Probabilities, label: NDArray[np.integer]
) -> tuple[float, float | None, float]:
    """Accuracy, area under the ROC curve, Brier score; from (Q, C) and (Q,).

    The area is the mean over classes against their rest, None when a class has no or all queries.
    The Brier score is half the squared distance to the label's corner: that of one probability
    when there are two classes.
    """
    truth = np.eye(p.shape[1])[label]  # (Q, C)
    accuracy = float(np.mean(p.argmax(axis=1) == label))
    told = truth[:, 1:] if p.shape[1] == 2 else truth
    known = bool(((told.min(axis=0) == 0) & (told.max(axis=0) == 1)).all())
    columns = p[:, 1:] if p.shape[1] == 2 else p
    area = (
        float(np.mean([roc_auc_score(t, c) for t, c in zip(told.T, columns.T, strict=True)]))
        if known
        else None
    )
    return accuracy, area, float(np.square(p - truth).sum(axis=1).mean() / 2)


def _against_rest(y: Labels, classes: int) -> NDArray[np.float32]:
    """Labels 0/1 of every problem (C', k); two classes are the one problem of class 1."""
    asked = [1] if classes == 2 else range(classes)
    return np.stack([(y == each).astype(np.float32) for each in asked])


def _as_classes(p: NDArray[np.float64]) -> Probabilities:
    """(C', Q) of "this class" -> (Q, C)."""
    if len(p) == 1:
        return np.stack((1 - p[0], p[0]), axis=1)
    p = np.clip(p.T, 1e-12, None)
    return p / p.sum(axis=1, keepdims=True)
