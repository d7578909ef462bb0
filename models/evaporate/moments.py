r"""The accuracies from agreements alone: the moment-matching label model, for comparison.

MeTaL fits mu, the conditional probabilities of votes, to the observed covariances of the votes
outside the diagonal blocks. With one coin a function the fit has one unknown a function, its
strength

    b_j = (k accuracy_j - 1) / (k - 1),    M_jl = (k P[v_j = v_l] - 1) / (k - 1) = b_j b_l,

for functions that err independently: of the outer product b b^T all but the diagonal is seen. Three
functions give b_j = sqrt(M_jl M_jr / M_lr) exactly (the closed form of triplet methods); more are
fitted by least squares from the median over pairs (l, r). Nothing is said of class balance: classes
differ from document to document.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from models.evaporate.label_model import ABSTAIN, Floats, OneCoin, Votes, posterior_of

_LEAST = 0.02  # agreement beyond chance below which a pair tells nothing
_EDGE = 1e-3  # accuracies stay this far from chance's side and from 1


def agreements(votes: Votes, classes: int) -> tuple[Floats, Floats]:
    """M (m, m), and how many documents each pair of functions voted on together (m, m)."""
    cast = votes != ABSTAIN
    both = cast.T.astype(np.float64) @ cast
    same = np.zeros_like(both)
    for label in range(classes):
        chosen = (votes == label).astype(np.float64)
        same += chosen.T @ chosen
    rate = np.divide(same, both, out=np.full_like(both, 1 / classes), where=both > 0)
    return (classes * rate - 1) / (classes - 1), both


def triplet_strengths(moments: Floats) -> Floats:
    """b_j as the median of sqrt(M_jl M_jr / M_lr) over pairs (l, r); 0.5 without a usable pair."""
    m = len(moments)
    strengths = np.full(m, 0.5)
    for j in range(m):
        found = [
            np.sqrt(moments[j, left] * moments[j, right] / moments[left, right])
            for left, right in combinations([i for i in range(m) if i != j], 2)
            if min(moments[j, left], moments[j, right], moments[left, right]) > _LEAST
        ]
        if found:
            strengths[j] = np.median(found)
    return np.clip(strengths, _EDGE, 1 - _EDGE)


def moment_loss(strengths: Floats, moments: Floats, both: Floats) -> tuple[float, Floats]:
    """Half the mean of (M_jl - b_j b_l)^2 over ordered pairs j != l, and its gradient (m,).

    Pairs count by the documents they share.
    """
    weight = both * (1 - np.eye(len(both)))
    weight = weight / max(weight.sum(), 1.0)
    gap = np.outer(strengths, strengths) - moments
    return 0.5 * float((weight * gap**2).sum()), 2 * (weight * gap) @ strengths


def fit_moments(votes: Votes, classes: int) -> OneCoin:
    """Accuracies that explain the agreements best, and the posterior they give.

    Fewer than three functions say nothing about each other: their strengths stay at one half.
    """
    from scipy.optimize import minimize

    moments, both = agreements(votes, classes)
    start = triplet_strengths(moments)
    strengths = start
    if len(start) >= 3:
        strengths = minimize(
            moment_loss,
            start,
            args=(moments, both),
            jac=True,
            method="L-BFGS-B",
            bounds=[(_EDGE, 1 - _EDGE)] * len(start),
        ).x
    accuracy = (1 + (classes - 1) * strengths) / classes
    one_hot = votes[:, :, None] == np.arange(classes)
    return OneCoin(accuracy, posterior_of(one_hot, accuracy, np.ones(len(accuracy))))
