"""The three strategies end to end on documents with known values: what experiments and tests call.

CODE runs the first function somebody made for an attribute, as it is. CODE+ runs all of them
through Algorithm 1 and the label model. DIRECT is a model's reading, made elsewhere; given here, it
is scored beside the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from models.evaporate.code import run_functions
from models.evaporate.config import InductionConfig, LabelConfig, SandboxConfig
from models.evaporate.corpus import Document, Gold, examples_of
from models.evaporate.functions import Answer
from models.evaporate.inducer import candidates
from models.evaporate.scores import (
    COMMON,
    StrategyScore,
    most_frequent_values,
    score_strategies,
)
from models.evaporate.selection import Candidate, JudgedFunction, judge_candidates
from models.evaporate.tokens import CODE, CODE_PLUS
from models.evaporate.voting import Ensemble, ensembles_of, fit_ensemble, vote


@dataclass(frozen=True)
class Evaluation:
    """Functions with their fates, ensembles as fitted, values by strategy, and all figures."""

    judged: Sequence[JudgedFunction]
    ensembles: Mapping[str, Ensemble]
    values: Mapping[str, Gold]
    scores: Sequence[StrategyScore]

    def figure(self, strategy: str, metric: str, attribute: str = "macro") -> float:
        """One of the scores. Raises KeyError if there is no such score."""
        for one in self.scores:
            if (one.strategy, one.metric, one.attribute) == (strategy, metric, attribute):
                return one.value
        raise KeyError((strategy, metric, attribute))

    def macro(self, strategy: str, metric: str, attributes: Sequence[str]) -> float:
        """Mean of a metric over some of the attributes."""
        return fmean(self.figure(strategy, metric, attribute) for attribute in attributes)


def evaluate(
    documents: Sequence[Document],
    gold: Gold,
    attributes: Sequence[str],
    config: InductionConfig,
    labelling: LabelConfig,
    *,
    labels: Gold | None = None,
    made: Mapping[str, Sequence[Candidate]] | None = None,
    sandbox: SandboxConfig | None = None,
) -> Evaluation:
    """CODE, CODE+ and the most frequent value, scored on what is not a sample.

    gold: true values; None says that a document has none, a missing key that nobody knows.
    labels: what the samples are taken to say, e.g. as a model read them; gold if not given.
    made: candidates by attribute; induced from the labelled samples if not given.
    """
    known = gold if labels is None else labels
    if made is None:
        made = {
            name: candidates(examples_of(documents, known, name), config.max_candidates)
            for name in attributes
        }
    judged = judge_candidates(documents, known, made, config, sandbox)
    ensembles = {}
    values: dict[str, dict[tuple[str, str], str | None]] = {CODE: {}, CODE_PLUS: {}}
    for name, ensemble in ensembles_of(judged, attributes).items():
        first = list(made.get(name, ()))[:1]
        reports = run_functions(
            [*ensemble.functions, *first], [d.page for d in documents], sandbox or SandboxConfig()
        )
        answers = [report.answers for report in reports]
        ranked = [one.score.mean for one in judged if one.attribute == name and one.votes]
        voting = answers[: len(ensemble.functions)]
        ensembles[name] = fit_ensemble(ensemble, voting, labelling, ranked)
        for i, document in enumerate(documents):
            cell = document.doc_id, name
            outcome = vote([found[i] for found in voting], ensembles[name], labelling.classes)
            values[CODE_PLUS][cell] = _value(outcome.answer)
            values[CODE][cell] = _value(answers[-1][i]) if first else None
    values[COMMON] = dict(most_frequent_values(documents, known, attributes))
    scores = score_strategies(documents, gold, values, attributes)
    return Evaluation(judged, ensembles, values, scores)


def _value(answer: Answer | None) -> str | None:
    return answer.value if answer else None
