"""The synthetic law in words: the same problems as prompts for a language model.

Coordinate j of a point in {-1, +1}^d is word j where it is +1 and "null" where it is -1; a point is
its words, then " : positive" or " : negative"; points are joined by " , ". A model that reasons
well over its own representations should learn such a problem in context; that language models do
not is what the paper's reasoning head is for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# One token each in the vocabularies of usual models, and without any bearing on the labels.
WORDS = (
    "sports", "love", "hate", "car", "school", "family", "work", "sleep", "water", "tree",
    "fox", "train", "random", "movie", "music", "book", "window", "river", "stone", "paper",
    "garden", "winter", "horse", "city", "phone", "bread", "cloud", "chair", "market", "light",
)  # fmt: skip
ABSENT = "null"
LABELS = ("negative", "positive")


class WordedProblems(NamedTuple):
    """B problems of P points: signs, labels, their law, and each point in words."""

    x: NDArray[np.float32]  # (B, P, d), -1 or +1
    y: NDArray[np.int64]  # (B, P), 0 or 1
    p_true: NDArray[np.float32]  # (B, P), sigmoid(x . w)
    words: list[list[str]]  # B lists of P texts, without labels


def draw_worded(
    rng: np.random.Generator, *, problems: int, points: int, dimension: int, alpha: float
) -> WordedProblems:
    """B = `problems` fresh problems over d = `dimension` words, w ~ alpha N(0, I_d), no bias.

    Raises ValueError when there are fewer words than coordinates.
    """
    if not 1 <= dimension <= len(WORDS):
        raise ValueError(f"there are words for 1..{len(WORDS)} coordinates, got {dimension}")
    x = rng.choice([-1.0, 1.0], (problems, points, dimension))
    w = alpha * rng.standard_normal((problems, dimension))
    p_true = 0.5 + 0.5 * np.tanh(0.5 * np.einsum("bpd,bd->bp", x, w))
    y = rng.random((problems, points)) < p_true
    words = [[in_words(point) for point in problem] for problem in x]
    return WordedProblems(
        x.astype(np.float32), y.astype(np.int64), p_true.astype(np.float32), words
    )


def in_words(point: NDArray[np.floating]) -> str:
    """One point (d,) as its words."""
    return " ".join(
        word if sign > 0 else ABSENT for word, sign in zip(WORDS[: len(point)], point, strict=True)
    )


def prompt(words: list[str], labels: NDArray[np.integer]) -> str:
    """Points in words with their labels; one label fewer than points leaves the last one open."""
    if len(labels) not in (len(words), len(words) - 1):
        raise ValueError(f"{len(words)} points need as many labels or one fewer, got {len(labels)}")
    said = [f"{text} : {LABELS[y]}" for text, y in zip(words, labels.tolist(), strict=False)]
    if len(labels) < len(words):
        said.append(f"{words[-1]} :")
    return " , ".join(said)
