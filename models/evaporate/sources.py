"""Which documents of a mixed folder belong together: TF-IDF and k-means (section 4.1, figure 5).

A source is a template, not a topic: its documents share the beginnings of lines, headings and tags
whatever they are about. Groups are made and compared by those terms; words help to place a document
in them, and are all there is in folders of prose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from models.evaporate.config import SplitConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ = 20_000  # characters of a document that are looked at
_LEAD = re.compile(r"^[ \t#*\-.0-9(]{0,12}([^\n:=|<>]{2,60}?)[ \t]*[:=|]", re.MULTILINE)
_HEADING = re.compile(r"^[ \t#*]{0,12}([^\n:=|<>.]{2,60})\r?$", re.MULTILINE)
_TAG = re.compile(
    r"<([a-zA-Z][a-zA-Z0-9]{0,15})(?:\s[^<>]{0,200}?\b(?:class|id)=[\"']?([\w-]{1,40}))?"
)
_WORD = re.compile(r"[^\W\d_]{2,30}")
_ANY_TAG = re.compile(r"<[^<>]{1,300}>")
_MAX_TERMS = 4_000
_FEW_TERMS = 3  # beginnings, headings and tags without which a document is prose


class Split(BaseModel, frozen=True):
    """Terms with their weight, and the mean document of every source: K centroids over V terms."""

    terms: tuple[str, ...]
    idf: tuple[float, ...]  # (V,)
    centroids: tuple[tuple[float, ...], ...]  # (K, V), unit length

    def assign(self, texts: Sequence[str]) -> list[int]:
        """The nearest source of every text, counted from 0."""
        if len(self.centroids) == 1:
            return [0] * len(texts)
        counts = [terms_of(text) for text in texts]
        rows = _vectors(counts, self.terms, np.asarray(self.idf))
        return np.argmax(rows @ np.asarray(self.centroids).T, axis=1).tolist()


def split(texts: Sequence[str], config: SplitConfig) -> Split:
    """The sources among the first `config.documents` of these texts, the largest first.

    With `config.sources` 0, k-means makes more groups than there can be sources, and groups are
    joined, the most alike first, until all are apart.
    """
    texts = texts[: config.documents]
    counts = [terms_of(text) for text in texts]
    frequency = Counter(term for found in counts for term in found)
    least = max(2, config.shared * len(texts))
    terms = tuple(term for term, n in frequency.most_common(_MAX_TERMS) if n >= least)
    idf = np.array([1 + np.log(len(texts) / frequency[term]) for term in terms])  # (V,)
    one = Split(terms=terms, idf=tuple(idf.tolist()), centroids=((0.0,) * len(terms),))
    wanted = config.sources or config.max_sources
    if not terms or wanted == 1 or len(texts) < 2 * wanted:
        return one
    rows = _vectors(counts, terms, idf)
    telling = rows[:, _of_templates(terms)]  # (n, terms of templates)
    if 2 * np.count_nonzero((telling > 0).sum(axis=1) >= _FEW_TERMS) < len(texts):
        telling = rows
    labels = _k_means(_unit(telling), wanted, config.seed)
    if not config.sources:
        labels = _joined((telling > 0).astype(np.float64), labels, config)
    order = [label for label, _ in Counter(labels.tolist()).most_common()]
    centroids = [_unit(rows[labels == label].mean(axis=0)) for label in order]
    if len(centroids) == 1:
        return one
    return one.model_copy(update={"centroids": tuple(tuple(c.tolist()) for c in centroids)})


def telling_terms(found: Split, source: int, n: int = 8) -> list[str]:
    """The terms that set a source apart from the others most."""
    centroids = np.asarray(found.centroids)
    if len(centroids) == 1:
        return []
    others = np.delete(centroids, source, axis=0).max(axis=0)
    order = np.argsort(others - centroids[source], kind="stable")[:n]
    return [found.terms[i] for i in order]


def purity(labels: Sequence[int], truth: Sequence[str]) -> float:
    """Share of the documents in whose group most documents are of their kind [0..1].

    Raises ValueError without documents.
    """
    if not labels:
        raise ValueError("purity of no documents: give at least one")
    pairs = Counter(zip(labels, truth, strict=True))
    return sum(
        max(n for (group, _), n in pairs.items() if group == label) for label in set(labels)
    ) / len(labels)


def terms_of(text: str) -> Counter[str]:
    """Words, beginnings of lines up to a separator, headings and tags, each with its count."""
    head = text[:_READ]
    terms = Counter(f"<{name.lower()}.{of}" for name, of in _TAG.findall(head))
    terms.update(f"{label.strip().lower()}:" for label in _LEAD.findall(head))
    terms.update(f"{line.strip().lower()}/" for line in _HEADING.findall(head))
    terms.update(word.lower() for word in _WORD.findall(_ANY_TAG.sub(" ", head)))
    return terms


def _of_templates(terms: Sequence[str]) -> NDArray[np.bool_]:
    """Which terms are beginnings of lines, headings or tags, (V,)."""
    return np.array([term[0] == "<" or term[-1] in ":/" for term in terms])


def _vectors(
    counts: Sequence[Counter[str]], terms: Sequence[str], idf: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Unit TF-IDF vectors with sublinear counts, (n, V)."""
    places = {term: i for i, term in enumerate(terms)}
    rows = np.zeros((len(counts), len(terms)))
    for row, found in zip(rows, counts, strict=True):
        for term, n in found.items():
            if term in places:
                row[places[term]] = 1 + np.log(n)
    return _unit(rows * idf)


def _k_means(rows: NDArray[np.float64], k: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    different = len(np.unique(rows.round(9), axis=0))
    found = KMeans(min(k, different), n_init=4, random_state=seed).fit_predict(rows)
    return found.astype(np.int64)


def _joined(
    rows: NDArray[np.float64], labels: NDArray[np.int64], config: SplitConfig
) -> NDArray[np.int64]:
    """Labels after joining the two groups most alike, again and again, while they are alike.

    Alike are groups that have the same terms in the same shares of their documents; rows: which
    terms a document has, 0 or 1. Then groups that are too small join the group most like them.
    """
    labels = labels.copy()
    while len(present := np.unique(labels)) > 1:
        means = _unit(np.array([rows[labels == label].mean(axis=0) for label in present]))
        alike = means @ means.T
        np.fill_diagonal(alike, -1.0)
        a, b = np.unravel_index(np.argmax(alike), alike.shape)
        if alike[a, b] <= config.apart:
            sizes = np.array([np.count_nonzero(labels == label) for label in present])
            b = np.argmin(sizes)
            if sizes[b] >= config.smallest * len(labels):
                break
            a = np.argmax(alike[b])
        labels[labels == present[b]] = present[a]
    return labels


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows, or one vector, of length 1; zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
