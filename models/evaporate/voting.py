"""From the answers of many functions to one value a cell: the majority, or the label model.

A document's values are bucketed by their words, so that spellings of one value vote together; the
cell takes the spelling of the best function among those that voted for the winner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from models.evaporate.code import run_functions
from models.evaporate.config import LabelConfig, SandboxConfig
from models.evaporate.corpus import Document
from models.evaporate.functions import Answer
from models.evaporate.label_model import ABSTAIN, ballot, fit_one_coin
from models.evaporate.metrics import tokens
from models.evaporate.moments import fit_moments
from models.evaporate.selection import Candidate, JudgedFunction
from models.progress import Progress, silent

LabelModel = Literal["majority", "one-coin", "moments"]
_BLOCK = 256  # documents whose pages are in memory at once


class Ensemble(NamedTuple):
    """The functions of one attribute, best first.

    votes: how many votes each of them has.
    abstain: whether an empty answer is no vote; otherwise it is a vote for "no value".
    accuracy: how often each function's vote is right, as the label model has it; () for the
        majority vote, which takes all for equally right.
    """

    functions: Sequence[Candidate]
    votes: Sequence[int]
    abstain: bool
    accuracy: Sequence[float] = ()


class Vote(NamedTuple):
    """The outcome of one vote.

    answer: the best function's answer among those that won; None for "no value".
    posterior: probability of the winner; share of the votes cast where the majority decides; 0 if
        nobody voted [0..1].
    voters: positions of the functions that voted for it.
    """

    answer: Answer | None
    posterior: float
    voters: tuple[int, ...]


class Extraction(NamedTuple):
    """One cell of the output table; `functions` are the ids of those that voted for its value."""

    doc_id: str
    attribute: str
    answer: Answer | None
    posterior: float
    functions: tuple[str, ...]


def ensembles_of(
    judged: Sequence[JudgedFunction], attributes: Sequence[str]
) -> dict[str, Ensemble]:
    """The functions that vote, best first, for every attribute, also those without any."""
    ensembles = {}
    for attribute in attributes:
        group = [one for one in judged if one.attribute == attribute]
        kept = sorted((one for one in group if one.votes), key=lambda one: one.rank)
        ensembles[attribute] = Ensemble(
            [one.function for one in kept],
            [one.votes for one in kept],
            all(one.abstain for one in group),
        )
    return ensembles


def fit_ensemble(
    ensemble: Ensemble,
    answers: Sequence[Sequence[Answer | None]],
    config: LabelConfig,
    scores: Sequence[float] = (),
) -> Ensemble:
    """The ensemble with the accuracies a label model finds in its answers, without any labels.

    answers: of every function, document by document. scores: Text F1 of the functions on the
    samples, which the one-coin model counts as `config.prior_strength` votes seen beforehand.
    """
    if config.model == "majority" or not ensemble.functions:
        return ensemble._replace(accuracy=())
    rows = [_buckets(row, ensemble.abstain) for row in zip(*answers, strict=True)]
    votes = np.array([ballot(row, config.classes)[0] for row in rows], dtype=np.int64)
    votes = votes.reshape(len(rows), len(ensemble.functions))
    if config.model == "moments":
        fitted = fit_moments(votes, config.classes)
    else:
        prior = None
        if scores:
            right = np.asarray(scores, dtype=np.float64)[:, None] * config.prior_strength
            prior = np.hstack([right + 1.5, config.prior_strength - right + 0.5])
        weights = np.asarray(ensemble.votes, dtype=np.float64)
        fitted = fit_one_coin(votes, config.classes, prior=prior, weights=weights)
    return ensemble._replace(accuracy=tuple(float(a) for a in fitted.accuracy))


def vote(answers: Sequence[Answer | None], ensemble: Ensemble, classes: int = 5) -> Vote:
    """One cell: the label model's likeliest value, or the majority's where there is no model.

    answers: one per function, best function first.
    """
    if not ensemble.accuracy:
        return majority_vote(answers, ensemble.votes, ensemble.abstain)
    ballots, values = ballot(_buckets(answers, ensemble.abstain), classes)
    if not values:
        return Vote(None, 0.0, ())
    support = np.zeros(classes)
    for chosen, right, weight in zip(ballots, ensemble.accuracy, ensemble.votes, strict=True):
        if chosen != ABSTAIN:
            support[chosen] += weight * np.log(right * (classes - 1) / (1 - right))
    odds = np.exp(support - support.max())
    winner = int(support[: len(values)].argmax())
    voters = tuple(i for i, chosen in enumerate(ballots) if chosen == winner)
    return Vote(answers[voters[0]], float(odds[winner] / odds.sum()), voters)


def majority_vote(answers: Sequence[Answer | None], votes: Sequence[int], abstain: bool) -> Vote:
    """The value with most votes; of a tie, the one the best function voted for.

    answers: one per function, best function first; those with the same words are one value.
    votes, abstain: as in Ensemble.
    """
    voters: dict[tuple[str, ...], list[int]] = {}
    for position, words in enumerate(_buckets(answers, abstain)):
        if words is not None:
            voters.setdefault(words, []).append(position)
    if not voters:
        return Vote(None, 0.0, ())
    counts = {words: sum(votes[i] for i in who) for words, who in voters.items()}
    # max keeps the first of equals, and the dictionary is in order of the functions.
    winner = max(counts, key=lambda words: counts[words])
    share = counts[winner] / sum(counts.values())
    return Vote(answers[voters[winner][0]], share, tuple(voters[winner]))


def extract(
    documents: Sequence[Document],
    ensembles: Mapping[str, Ensemble],
    progress: Progress = silent,
    sandbox: SandboxConfig | None = None,
) -> list[Extraction]:
    """One extraction per document and attribute, by document, in the given orders.

    An attribute whose ensemble is empty is extracted as "no value" with posterior 0.
    """
    functions = [function for group in ensembles.values() for function in group.functions]
    ids = {name: [f.function_id for f in group.functions] for name, group in ensembles.items()}
    rows: list[Extraction] = []
    for first in range(0, len(documents), _BLOCK):
        progress(first, len(documents))
        block = documents[first : first + _BLOCK]
        pages = [document.page for document in block]
        answers = [r.answers for r in run_functions(functions, pages, sandbox or SandboxConfig())]
        for position, document in enumerate(block):
            column = 0
            for attribute, ensemble in ensembles.items():
                until = column + len(ensemble.functions)
                outcome = vote([found[position] for found in answers[column:until]], ensemble)
                column = until
                voters = tuple(ids[attribute][voter] for voter in outcome.voters)
                rows.append(
                    Extraction(
                        document.doc_id, attribute, outcome.answer, outcome.posterior, voters
                    )
                )
    progress(len(documents), len(documents))
    return rows


def _buckets(answers: Sequence[Answer | None], abstain: bool) -> list[tuple[str, ...] | None]:
    """What each answer votes for: its words, () for "no value", None for nothing."""
    return [
        None if answer is None and abstain else tuple(tokens(answer.value if answer else None))
        for answer in answers
    ]
