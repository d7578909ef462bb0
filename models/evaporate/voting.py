"""Majority vote of the kept functions, document by document (the MV row of the paper's Table 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.evaporate.corpus import Document
from models.evaporate.functions import Answer, AnyFunction
from models.evaporate.metrics import tokens
from models.progress import Progress, silent


class Ensemble(NamedTuple):
    """The functions of one attribute, best first.

    votes: how many votes each of them has.
    abstain: whether an empty answer is no vote; otherwise it is a vote for "no value".
    """

    functions: Sequence[AnyFunction]
    votes: Sequence[int]
    abstain: bool


class Vote(NamedTuple):
    """The outcome of one vote.

    answer: the best function's answer among those that won; None for "no value".
    posterior: share of the votes cast that went to it [0..1]; 0 if nobody voted.
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


def majority_vote(answers: Sequence[Answer | None], votes: Sequence[int], abstain: bool) -> Vote:
    """The value with most votes; of a tie, the one the best function voted for.

    answers: one per function, best function first; those with the same words are one value.
    votes, abstain: as in Ensemble.
    """
    voters: dict[tuple[str, ...], list[int]] = {}
    for position, answer in enumerate(answers):
        if answer or not abstain:
            words = tuple(tokens(answer.value if answer else None))
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
) -> list[Extraction]:
    """One extraction per document and attribute, by document, in the given orders.

    An attribute whose ensemble is empty is extracted as "no value" with posterior 0.
    """
    ids = {name: [f.function_id for f in group.functions] for name, group in ensembles.items()}
    rows: list[Extraction] = []
    for done, document in enumerate(documents):
        progress(done, len(documents))
        for attribute, (functions, votes, abstain) in ensembles.items():
            answers = [function.apply(document.page) for function in functions]
            vote = majority_vote(answers, votes, abstain)
            voters = tuple(ids[attribute][position] for position in vote.voters)
            row = Extraction(document.doc_id, attribute, vote.answer, vote.posterior, voters)
            rows.append(row)
    progress(len(documents), len(documents))
    return rows
