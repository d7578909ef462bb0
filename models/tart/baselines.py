"""What a head must be held against: logistic regression and the majority of the examples."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

_GRADIENT_TOLERANCE = 1e-7  # largest entry of the gradient of the mean loss
_MAX_NEWTON_STEPS = 100
_MAX_HALVINGS = 30
_JITTER = 1e-9  # keeps Newton's system solvable where the data do not span the space

Array = NDArray[np.floating]


def logistic_weights(x: Array, y: Array, penalty: float) -> Array:
    """Weights of B logistic regressions without intercept, (B, k, D), (B, k) -> (B, D), at once.

    Minimises sum_i log(1 + exp(-s_i x_i . w)) + penalty / 2 ||w||^2, s = 2y - 1, by Newton's method
    with step halving: scikit-learn's LogisticRegression(C=1/penalty, fit_intercept=False).

    Without penalty and on separable examples no finite optimum exists. The weights then stop where
    the gradient vanishes to 1e-7: they separate the examples, and their length means nothing.
    """
    x = np.asarray(x, dtype=np.float64)
    sign = 2.0 * np.asarray(y, dtype=np.float64) - 1.0
    k, D = x.shape[1:]
    w: Array = np.zeros((len(x), D))
    for _ in range(_MAX_NEWTON_STEPS):
        p_wrong = expit(-sign * _scores(x, w))  # (B, k)
        gradient = penalty * w - np.einsum("bkd,bk->bd", x, sign * p_wrong)
        if np.abs(gradient).max() <= _GRADIENT_TOLERANCE * k:
            break
        curvature = p_wrong * (1.0 - p_wrong)
        hessian = (x * curvature[..., None]).mT @ x + (penalty + _JITTER) * np.eye(D)
        direction = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        w = _descend(x, sign, penalty, w, direction)
    return w


def logistic_probability(x: Array, y: Array, query: Array, penalty: float) -> Array:
    """P(label 1) of one query a problem by the regression on its k examples.

    (B, k, D), (B, k), (B, D) -> (B,); see `logistic_weights`.
    """
    w = logistic_weights(x, y, penalty)
    return np.asarray(expit(np.einsum("bd,bd->b", np.asarray(query, dtype=np.float64), w)))


def majority_probability(y: Array) -> Array:
    """P(label 1) from the labels of the examples alone, (B, k) -> (B,), by Laplace's rule."""
    positives = np.asarray(y, dtype=np.float64).sum(axis=1)
    return np.asarray((positives + 1.0) / (y.shape[1] + 2.0))


def _scores(x: Array, w: Array) -> Array:
    return np.asarray(np.einsum("bkd,bd->bk", x, w))


def _descend(x: Array, sign: Array, penalty: float, w: Array, direction: Array) -> Array:
    """w - direction, or half, a quarter, ... of it in the problems where the loss would rise."""
    before = _loss(x, sign, penalty, w)
    length = np.ones((len(w), 1))
    for _ in range(_MAX_HALVINGS):
        moved = w - length * direction
        rises = _loss(x, sign, penalty, moved) > before
        if not rises.any():
            return moved
        length[rises] /= 2.0
    return np.where(rises[:, None], w, moved)


def _loss(x: Array, sign: Array, penalty: float, w: Array) -> Array:
    data = np.logaddexp(0.0, -sign * _scores(x, w)).sum(axis=1)
    return np.asarray(data + 0.5 * penalty * np.square(w).sum(axis=1))
