"""Algorithm 1 of the paper up to the vote: which functions are good enough to have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

from models.evaporate.config import InductionConfig
from models.evaporate.corpus import Document, Example, Gold, examples_of
from models.evaporate.functions import Answer, AnyFunction, Page
from models.evaporate.inducer import candidates
from models.evaporate.metrics import text_f1
from models.progress import Progress, silent


class Score(NamedTuple):
    """Agreement of a function with the examples, each in 0..1.

    mean, median: Text F1 over the examples that count: all, or those with an answer if an empty
        answer is an abstention; 0 if none counts.
    coverage: share of the examples with an answer.
    """

    mean: float
    median: float
    coverage: float


@dataclass(frozen=True)
class JudgedFunction:
    """A candidate and the verdict on it; `reason` says why it was not kept.

    rank: 1 for the best of the attribute's candidates.
    votes: its own and those of the candidates among the best that answer as it does; 0 if it is
        not kept.
    abstain: whether an empty answer of this attribute's functions is an abstention.
    """

    attribute: str
    function: AnyFunction
    score: Score
    rank: int
    votes: int
    abstain: bool
    reason: str | None


def induce(
    documents: Sequence[Document],
    gold: Gold,
    attributes: Sequence[str],
    config: InductionConfig,
    progress: Progress = silent,
) -> list[JudgedFunction]:
    """The functions of every attribute with their scores and fates, best first.

    Of `gold` only the labels of the sampled documents are read; of the other documents only the
    text of the first `config.probes`.
    Raises ValueError if no document is a sample or a sample lacks a label.
    """
    if not any(document.sample for document in documents):
        raise ValueError("no document is marked as a sample; induction needs labelled examples")
    probes = [d.page for d in documents if not d.sample][: config.probes]
    judged: list[JudgedFunction] = []
    for done, attribute in enumerate(attributes):
        progress(done, len(attributes))
        judged += judge(attribute, examples_of(documents, gold, attribute), probes, config)
    progress(len(attributes), len(attributes))
    return judged


def judge(
    attribute: str, examples: Sequence[Example], probes: Sequence[Page], config: InductionConfig
) -> list[JudgedFunction]:
    """Candidates of one attribute, scored on its examples, ranked and filtered (steps 1 to 3)."""
    gold = [example.value for example in examples]
    abstain = is_abstention(gold, config.tau)
    # Where empty answers count, the function that never answers scores too. A function that does
    # no better tells nothing, and enough of them would outvote those that do.
    never = 0.0 if abstain else score(gold, [None] * len(gold), abstain).mean
    made = candidates(examples, config.max_candidates)
    answers = [[f.apply(page) for page in (*(e.page for e in examples), *probes)] for f in made]
    scores = [score(gold, found[: len(gold)], abstain) for found in answers]

    # Stable: among equals the order of the inducer stays.
    order = sorted(range(len(made)), key=lambda i: scores[i], reverse=True)
    good = [i for i in order if scores[i].mean > max(config.threshold, never)]
    voting = good[: config.top_functions]
    # Of functions that answer alike the best speaks for all: twins cost votes no time.
    speakers: dict[tuple[Answer | None, ...], int] = {}
    speaker_of = {i: speakers.setdefault(tuple(answers[i]), i) for i in voting}
    votes = Counter(speaker_of.values())

    def reason(i: int) -> str | None:
        if scores[i].mean <= config.threshold:
            return f"Text F1 {scores[i].mean:.3f} is not above {config.threshold:g}"
        if scores[i].mean <= never:
            return f"Text F1 {scores[i].mean:.3f} is no better than never answering"
        if i not in speaker_of:
            return f"{len(voting)} functions are better"
        speaker = speaker_of[i]
        if speaker == i:
            return None
        return f"{made[speaker].function_id} answers alike and votes for it"

    return [
        JudgedFunction(attribute, made[i], scores[i], rank, votes[i], abstain, reason(i))
        for rank, i in enumerate(order, start=1)
    ]


def is_abstention(gold: Sequence[str | None], tau: float) -> bool:
    """Whether an empty answer means "I do not know": if e, the share of values, is above tau.

    Otherwise absence is common enough in the corpus for an empty answer to mean "no value".
    """
    return sum(value is not None for value in gold) > tau * len(gold)


def score(gold: Sequence[str | None], answers: Sequence[Answer | None], abstain: bool) -> Score:
    """Step 2 of Algorithm 1: `answers` of one function on the examples whose values are `gold`."""
    counted = [
        text_f1(value, answer.value if answer else None)
        for value, answer in zip(gold, answers, strict=True)
        if answer or not abstain
    ]
    coverage = sum(answer is not None for answer in answers) / len(answers)
    if not counted:
        return Score(0.0, 0.0, coverage)
    return Score(fmean(counted), median(counted), coverage)
