r"""How right is each function, and which value is likeliest: one coin a function, by EM.

Values are free text, so every document has classes of its own (section 3.3.2): its distinct values,
the most common first. Class 2 of one document has nothing to do with class 2 of another; what can
be learned over documents is one number a function, the probability that its vote is right:

    P(v_j = l | Y = y) = accuracy_j              if l = y
                         (1 - accuracy_j)/(k-1)  otherwise,

and abstentions tell nothing. E-step: the posterior of every document's classes; M-step: accuracy_j
is the expected share of right votes. Without labels, the two are repeated until nothing moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

ABSTAIN = -1

Votes = npt.NDArray[np.int64]  # (n, m): class that function j votes for on document i, or ABSTAIN
Floats = npt.NDArray[np.float64]


class OneCoin(NamedTuple):
    """accuracy: of every function (m,); posterior: of every document's classes (n, k)."""

    accuracy: Floats
    posterior: Floats


def ballot(values: Sequence[Hashable | None], classes: int) -> tuple[list[int], list[Hashable]]:
    """One document's votes as classes: the `classes` most common values, None and others abstain.

    Of equally common values the one voted for first comes first. Returns the votes and the values.
    """
    ranked = [
        value
        for value, _ in Counter(value for value in values if value is not None).most_common(classes)
    ]
    number = {value: position for position, value in enumerate(ranked)}
    return [ABSTAIN if v is None else number.get(v, ABSTAIN) for v in values], ranked


def fit_one_coin(
    votes: Votes,
    classes: int,
    *,
    prior: Floats | None = None,
    weights: Floats | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
) -> OneCoin:
    """Expectation-maximisation from the majority vote on.

    votes: (n, m) in -1..classes-1. classes: k >= 2, those nobody votes for included.
    prior: (m, 2), right and wrong votes counted beforehand, a Beta prior; one and a half right and
        a half wrong without one. weights: (m,), how many equal voters a function stands for.
    Stops after `iterations`, or when no accuracy moves by more than `tolerance`.
    Raises ValueError for votes out of range.
    """
    if classes < 2 or (votes.size and not -1 <= votes.min() <= votes.max() < classes):
        raise ValueError(f"votes must be -1 (abstain) or one of {classes} >= 2 classes")
    m = votes.shape[1]
    counted = np.tile([1.5, 0.5], (m, 1)) if prior is None else prior
    weight = np.ones(m) if weights is None else weights
    one_hot = votes[:, :, None] == np.arange(classes)  # (n, m, k)
    cast = (votes != ABSTAIN).sum(axis=0)
    share = (one_hot * weight[:, None]).sum(axis=1) + 1e-9  # (n, k)
    posterior = share / share.sum(axis=1, keepdims=True)
    accuracy = np.full(m, np.nan)
    for _ in range(iterations):
        right = np.einsum("nmk,nk->m", one_hot, posterior)
        updated = (right + counted[:, 0]) / (cast + counted.sum(axis=1))
        posterior = posterior_of(one_hot, updated, weight)
        moved = np.abs(updated - accuracy).max(initial=0.0)
        accuracy = updated
        if moved < tolerance:  # not while accuracy is nan
            break
    return OneCoin(accuracy, posterior)


def posterior_of(one_hot: npt.NDArray[np.bool_], accuracy: Floats, weights: Floats) -> Floats:
    """P(class | votes), classes equally likely beforehand: (n, m, k) -> (n, k)."""
    k = one_hot.shape[2]
    gain = weights * (np.log(accuracy) - np.log((1 - accuracy) / (k - 1)))  # (m,)
    logits = one_hot.astype(np.float64).transpose(0, 2, 1) @ gain  # (n, k)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def one_coin_reference(
    votes: Sequence[int], accuracy: Sequence[float], classes: int
) -> list[float]:
    """The posterior of one document as the equation reads, factor by factor."""
    likelihood = []
    for y in range(classes):
        product = 1.0
        for vote, right in zip(votes, accuracy, strict=True):
            if vote != ABSTAIN:
                product *= right if vote == y else (1 - right) / (classes - 1)
        likelihood.append(product)
    return [value / sum(likelihood) for value in likelihood]
