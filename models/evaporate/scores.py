"""The majority vote and two baselines, scored on the documents that were not examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from models.evaporate.corpus import Document, Gold, examples_of
from models.evaporate.metrics import exact_match, pair, pair_f1, text_f1
from models.evaporate.voting import Ensemble

VOTE = "headwater majority vote"
BEST = "first function"
COMMON = "most frequent value"

_VALUE_METRICS: Mapping[str, Callable[[str | None, str | None], float]] = {
    "text_f1": text_f1,
    "exact_match": exact_match,
}


class StrategyScore(NamedTuple):
    """One figure. attribute: a name, "macro" (mean over attributes) or "all" (facts pooled)."""

    strategy: str
    attribute: str
    metric: str
    value: float
    n: int


def best_functions(documents: Sequence[Document], ensembles: Mapping[str, Ensemble]) -> Gold:
    """Baseline: the answers of each attribute's best function; None without a function."""
    return {
        (document.doc_id, attribute): answer.value if answer else None
        for attribute, ensemble in ensembles.items()
        for document in documents
        for answer in [ensemble.functions[0].apply(document.page) if ensemble.functions else None]
    }


def most_frequent_values(
    documents: Sequence[Document], gold: Gold, attributes: Sequence[str]
) -> Gold:
    """Baseline: for every document the commonest label of the examples, "no value" included.

    Of equally common labels the first in order of the documents counts.
    """
    common = {
        attribute: Counter(e.value for e in examples_of(documents, gold, attribute)).most_common(1)
        for attribute in attributes
    }
    return {(d.doc_id, a): common[a][0][0] for a in attributes for d in documents}


def score_strategies(
    documents: Sequence[Document],
    gold: Gold,
    strategies: Mapping[str, Gold],
    attributes: Sequence[str],
) -> list[StrategyScore]:
    """All metrics of every strategy over the documents that are not samples.

    Per attribute and as their mean, "macro": text_f1, exact_match, pair_f1. Over all facts at once,
    "all": pair_precision, pair_recall, pair_f1, the paper's open-IE figures. n counts documents.
    Raises ValueError if every document is a sample: nothing is left to score.
    """
    held_out = [document.doc_id for document in documents if not document.sample]
    if not held_out:
        raise ValueError("all documents are samples; scoring needs documents that are not")
    return [
        StrategyScore(strategy, attribute, metric, value, len(held_out))
        for strategy, predicted in strategies.items()
        for attribute, metric, value in _figures(held_out, gold, predicted, attributes)
    ]


def _figures(
    doc_ids: Sequence[str], gold: Gold, predicted: Gold, attributes: Sequence[str]
) -> list[tuple[str, str, float]]:
    rows: list[tuple[str, str, float]] = []
    for name, metric in _VALUE_METRICS.items():
        for attribute in attributes:
            keys = [(doc_id, attribute) for doc_id in doc_ids]
            rows.append((attribute, name, fmean(metric(gold[k], predicted[k]) for k in keys)))
    for attribute in attributes:
        facts = (_facts(doc_ids, values, [attribute]) for values in (gold, predicted))
        rows.append((attribute, "pair_f1", pair_f1(*facts).f1))
    for name in (*_VALUE_METRICS, "pair_f1"):
        rows.append(("macro", name, fmean(value for _, metric, value in rows if metric == name)))
    pooled = pair_f1(_facts(doc_ids, gold, attributes), _facts(doc_ids, predicted, attributes))
    return [*rows, *(("all", f"pair_{name}", value) for name, value in pooled._asdict().items())]


def _facts(
    doc_ids: Sequence[str], values: Gold, attributes: Sequence[str]
) -> set[tuple[str, str, str]]:
    return {
        pair(doc_id, attribute, value)
        for attribute in attributes
        for doc_id in doc_ids
        if (value := values[doc_id, attribute]) is not None
    }
