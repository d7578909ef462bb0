"""Text F1 (closed information extraction) and Pair F1 (open), section 4.1 of the paper.

A value is a string or None; None says that the document has no such attribute.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Set as AbstractSet
from typing import NamedTuple

Pair = tuple[str, str, str]  # document, attribute, normalised value

_LIST_SEPARATORS = re.compile("[,;]")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = frozenset({"a", "an", "the"})


class PairScore(NamedTuple):
    """Precision, recall and their harmonic mean, each in 0..1."""

    precision: float
    recall: float
    f1: float


def tokens(value: str | None) -> list[str]:
    """The words Text F1 compares: lower case, no punctuation, no articles.

    Commas and semicolons part words, so that lists compare free of order with or without spaces.
    A value that would lose all its words ("*", "The") keeps its lower-case text as its one word:
    only None has no words.
    """
    if value is None:
        return []
    spaced = _LIST_SEPARATORS.sub(" ", value.lower())
    words = [w for w in spaced.translate(_PUNCTUATION).split() if w not in _ARTICLES]
    return words or [value.lower().strip()]


def text_f1(gold: str | None, predicted: str | None) -> float:
    """F1 of the two bags of words; 1 if both are empty, 0 if one is [0..1]."""
    if gold is None or predicted is None:
        return float(gold is predicted)
    expected, found = tokens(gold), tokens(predicted)
    overlap = (Counter(expected) & Counter(found)).total()
    return 2 * overlap / (len(expected) + len(found))


def exact_match(gold: str | None, predicted: str | None) -> float:
    """1 if the two agree character for character, runs of white space aside; else 0."""
    if gold is None or predicted is None:
        return float(gold is predicted)
    return float(gold.split() == predicted.split())


def pair(doc_id: str, attribute: str, value: str) -> Pair:
    """One fact of an open-IE table: its value without case, spaces and punctuation."""
    bare = "".join(value.lower().translate(_PUNCTUATION).split())
    return doc_id, attribute, bare or value.strip()


def pair_f1(gold: AbstractSet[Pair], predicted: AbstractSet[Pair]) -> PairScore:
    """Precision, recall and F1 over sets of facts; all 1 if both sets are empty."""
    if not gold and not predicted:
        return PairScore(1.0, 1.0, 1.0)
    right = len(gold & predicted)
    return PairScore(
        right / len(predicted) if predicted else 0.0,
        right / len(gold) if gold else 0.0,
        2 * right / (len(gold) + len(predicted)),
    )
