"""Algorithm 1 of the paper up to the vote: which functions are good enough to have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

from models.evaporate.code import CodeFunction, run_functions
from models.evaporate.config import InductionConfig, SandboxConfig
from models.evaporate.corpus import Document, Gold, examples_of
from models.evaporate.functions import Answer, AnyFunction
from models.evaporate.inducer import candidates
from models.evaporate.metrics import text_f1
from models.progress import Progress, silent

Candidate = AnyFunction | CodeFunction

_RIGHT = 0.5  # Text F1 above which an answer is a hit
_ENOUGH = 4  # examples with a value from which one hit is no evidence


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
    function: Candidate
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
    """Functions induced from the samples, with their scores and fates, best first.

    Of `gold` only the labels of the sampled documents are read; of the other documents only the
    text of the first `config.probes`.
    Raises ValueError as `judge_candidates` does.
    """
    made: dict[str, list[Candidate]] = {}
    for done, attribute in enumerate(attributes):
        progress(done, len(attributes))
        examples = examples_of(documents, gold, attribute)
        made[attribute] = list(candidates(examples, config.max_candidates))
    judged = judge_candidates(documents, gold, made, config)
    progress(len(attributes), len(attributes))
    return judged


def judge_candidates(
    documents: Sequence[Document],
    gold: Gold,
    made: Mapping[str, Sequence[Candidate]],
    config: InductionConfig,
    sandbox: SandboxConfig | None = None,
) -> list[JudgedFunction]:
    """Every attribute's candidates, whoever made them, run on the samples, scored and filtered.

    gold: labels of the samples, given by a person or read by a model; no others are looked at.
    Raises ValueError if no document is a sample or no sample has a label for an attribute.
    """
    samples = [document for document in documents if document.sample]
    probes = [document for document in documents if not document.sample][: config.probes]
    everyone = [(attribute, one) for attribute, group in made.items() for one in group]
    reports = iter(
        run_functions(
            [function for _, function in everyone],
            [document.page for document in (*samples, *probes)],
            sandbox or SandboxConfig(),
        )
    )
    judged: list[JudgedFunction] = []
    for attribute, group in made.items():
        examples_of(samples, gold, attribute)  # raises if there is none
        labelled = [i for i, d in enumerate(samples) if (d.doc_id, attribute) in gold]
        counted = [*labelled, *range(len(samples), len(samples) + len(probes))]
        truth = [gold[samples[i].doc_id, attribute] for i in labelled]
        of_group = [next(reports) for _ in group]
        answers = [[report.answers[i] for i in counted] for report in of_group]
        struck = [report.struck for report in of_group]
        judged += judge(attribute, group, truth, answers, config, struck=struck)
    return judged


def judge(
    attribute: str,
    made: Sequence[Candidate],
    gold: Sequence[str | None],
    answers: Sequence[Sequence[Answer | None]],
    config: InductionConfig,
    *,
    struck: Sequence[str | None] = (),
) -> list[JudgedFunction]:
    """Candidates of one attribute, scored on its examples, ranked and filtered (steps 1 to 3).

    gold: values of the examples. answers: of every candidate, on the examples and then on the
    probes. struck: why a candidate is out whatever it answers.
    """
    abstain = config.abstain and is_abstention(gold, config.tau)
    # Where empty answers count, the function that never answers scores too. A function that does
    # no better tells nothing, and enough of them would outvote those that do.
    never = 0.0 if abstain else score(gold, [None] * len(gold), abstain).mean
    needed = 2 if sum(value is not None for value in gold) >= _ENOUGH else 1
    scores = [score(gold, found[: len(gold)], abstain) for found in answers]
    hits = [_hits(gold, found[: len(gold)]) for found in answers]
    barred = list(struck) or [None] * len(made)

    def flaw(i: int) -> str | None:
        if barred[i]:
            return barred[i]
        if scores[i].mean <= config.threshold:
            return f"Text F1 {scores[i].mean:.3f} is not above {config.threshold:g}"
        if scores[i].mean <= never:
            return f"Text F1 {scores[i].mean:.3f} is no better than never answering"
        if hits[i] < needed:
            return "right on one example only, perhaps the one it was made from"
        return None

    trust = [_trust(result, len(gold), abstain) for result in scores]
    # Stable: among equals the simpler one is before, and then the order they were made in.
    order = sorted(
        range(len(made)),
        key=lambda i: (trust[i], *scores[i], -_parts(made[i])),
        reverse=True,
    )
    flaws = [flaw(i) for i in range(len(made))]
    good = [i for i in order if flaws[i] is None]
    least = max((trust[i] for i in good), default=0.0) - config.margin
    voting = [i for i in good if trust[i] >= least][: config.top_functions]
    # Of functions that answer alike the best speaks for all: twins cost votes no time.
    speakers: dict[tuple[Answer | None, ...], int] = {}
    speaker_of = {i: speakers.setdefault(tuple(answers[i]), i) for i in voting}
    votes = Counter(speaker_of.values())

    def reason(i: int) -> str | None:
        if flaws[i] is not None:
            return flaws[i]
        if i not in speaker_of:
            return f"the {len(voting)} functions that vote are better"
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


def _trust(result: Score, examples: int, abstain: bool) -> float:
    """The mean as it stands after one more right and one more wrong answer (Laplace's rule).

    A mean over few answers is worth less than the same mean over many. Without this, functions
    that answer on the one example they were made from take all the places.
    """
    n = result.coverage * examples if abstain else examples
    return (result.mean * n + 1) / (n + 2)


def _parts(function: Candidate) -> int:
    """How much a pattern supposes of a value: words to cut at, a form of its items."""
    if isinstance(function, CodeFunction):
        return 0
    trim = function.trim
    return bool(trim.after) + bool(trim.until) + (trim.item is not None)


def _hits(gold: Sequence[str | None], answers: Sequence[Answer | None]) -> int:
    return sum(
        value is not None and answer is not None and text_f1(value, answer.value) > _RIGHT
        for value, answer in zip(gold, answers, strict=True)
    )
