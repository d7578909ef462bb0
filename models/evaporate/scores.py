"""The strategies and their baseline, scored on the documents that were not examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from models.evaporate.corpus import Document, Gold, examples_of
from models.evaporate.metrics import Pair, exact_match, pair, pair_f1, text_f1

COMMON = "most frequent value"

Cell = tuple[str, str]  # document, attribute

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
    """All metrics of every strategy over the labelled cells of documents that are not samples.

    Per attribute and as their mean, "macro": text_f1, exact_match, pair_f1. Over all facts at once,
    "all": pair_precision, pair_recall, pair_f1, the paper's open-IE figures; and the shares of
    cells that are wrong (a value with Text F1 of at most 0.5) and that are empty where there is a
    value. n counts documents. A cell without a prediction counts as empty.
    Raises ValueError if every labelled document is a sample: nothing is left to score.
    """
    held_out = {document.doc_id for document in documents if not document.sample}
    cells = [(d.doc_id, a) for a in attributes for d in documents if d.doc_id in held_out]
    labelled = [cell for cell in cells if cell in gold]
    if not labelled:
        raise ValueError("no labelled document is left to score; all of them are samples")
    return [
        StrategyScore(strategy, attribute, metric, value, n)
        for strategy, predicted in strategies.items()
        for attribute, metric, value, n in _figures(labelled, gold, predicted, attributes)
    ]


def _figures(
    cells: Sequence[Cell], gold: Gold, predicted: Gold, attributes: Sequence[str]
) -> list[tuple[str, str, float, int]]:
    columns = {name: [cell for cell in cells if cell[1] == name] for name in attributes}
    columns = {name: column for name, column in columns.items() if column}
    documents = len({doc_id for doc_id, _ in cells})
    rows: list[tuple[str, str, float, int]] = []
    for name, metric in _VALUE_METRICS.items():
        for attribute, column in columns.items():
            value = fmean(metric(gold[cell], predicted.get(cell)) for cell in column)
            rows.append((attribute, name, value, len(column)))
    for attribute, column in columns.items():
        facts = pair_f1(_facts(column, gold), _facts(column, predicted))
        rows.append((attribute, "pair_f1", facts.f1, len(column)))
    for name in (*_VALUE_METRICS, "pair_f1"):
        mean = fmean(value for _, metric, value, _ in rows if metric == name)
        rows.append(("macro", name, mean, documents))
    pooled = pair_f1(_facts(cells, gold), _facts(cells, predicted))._asdict()
    # A cell left empty says "unknown", a wrong one says something false: worth telling apart.
    pooled["wrong"] = fmean(_is_wrong(gold[cell], predicted.get(cell)) for cell in cells)
    pooled["empty"] = fmean(
        gold[cell] is not None and predicted.get(cell) is None for cell in cells
    )
    names = {"precision": "pair_precision", "recall": "pair_recall", "f1": "pair_f1"}
    return [*rows, *(("all", names.get(k, k), value, documents) for k, value in pooled.items())]


def _is_wrong(gold: str | None, predicted: str | None) -> bool:
    return predicted is not None and text_f1(gold, predicted) <= 0.5


def _facts(cells: Sequence[Cell], values: Gold) -> set[Pair]:
    return {pair(*cell, value) for cell in cells if (value := values.get(cell)) is not None}
