"""What each part of CODE+ adds (Table 4 of the paper): the same candidates, four ways to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.evaporate.code import run_functions
from models.evaporate.config import InductionConfig, LabelConfig, SandboxConfig
from models.evaporate.corpus import Document, Gold, examples_of
from models.evaporate.functions import Answer
from models.evaporate.scores import Cell
from models.evaporate.selection import Candidate, JudgedFunction, judge
from models.evaporate.voting import Ensemble, ensembles_of, fit_ensemble, vote

ARMS = ("MV", "WS", "WS+filter", "WS+abstain+filter")
PAPER_TABLE_4: Mapping[str, tuple[float, float, float, float]] = {
    "FDA": (52.9, 51.1, 55.0, 62.8),
    "Enron": (81.4, 82.7, 86.9, 86.9),
    "Wiki NBA": (59.5, 64.9, 68.4, 68.2),
    "SWDE movie": (44.3, 46.3, 56.6, 56.8),
    "SWDE university": (42.7, 43.5, 57.3, 59.0),
    "mean": (56.2, 57.7, 64.8, 66.7),
}
"""Open-IE Pair F1 [percent] of the arms, in their order."""

Answers = Sequence[Sequence[Answer | None]]  # of every function, document by document


def ablate(
    documents: Sequence[Document],
    gold: Gold,
    made: Mapping[str, Sequence[Candidate]],
    config: InductionConfig,
    sandbox: SandboxConfig | None = None,
) -> dict[str, Gold]:
    """The values every arm gives all documents; functions are run once for all of them.

    gold: labels of the samples; others are not looked at.
    """
    values: dict[str, dict[Cell, str | None]] = {arm: {} for arm in ARMS}
    pages = [document.page for document in documents]
    for attribute, group in made.items():
        reports = run_functions(group, pages, sandbox or SandboxConfig())
        answers = [report.answers for report in reports]
        examples_of(documents, gold, attribute)  # raises if there is none
        known = [i for i, d in enumerate(documents) if d.sample and (d.doc_id, attribute) in gold]
        truth = [gold[documents[i].doc_id, attribute] for i in known]
        for arm, decided in decide(attribute, group, truth, known, answers, config=config).items():
            # Without functions nobody decides, and no document has a value.
            for i, document in enumerate(documents):
                answer = decided[i] if decided else None
                values[arm][document.doc_id, attribute] = answer.value if answer else None
    return dict(values)


def decide(
    attribute: str,
    made: Sequence[Candidate],
    truth: Sequence[str | None],
    known: Sequence[int],
    answers: Answers,
    *,
    config: InductionConfig,
) -> dict[str, list[Answer | None]]:
    """One attribute's answer for every document, by arm; none where an arm has no function.

    truth: labels of the documents at the positions `known`. answers: of the candidates on all
    documents. Without the filter every candidate has one vote, and an empty answer is a vote for
    "no value"; with it, those that pass Algorithm 1 vote, and the last arm lets them abstain.
    """
    of_known = [[found[i] for i in known] for found in answers]
    everyone = Ensemble(made, [1] * len(made), abstain=False)
    judged = {
        strict: judge(
            attribute, made, truth, of_known, config.model_copy(update={"abstain": strict})
        )
        for strict in (False, True)
    }
    arms = {
        "MV": (everyone, answers, LabelConfig(model="majority")),
        "WS": (everyone, answers, LabelConfig()),
        "WS+filter": (*_kept(attribute, judged[False], made, answers), LabelConfig()),
        "WS+abstain+filter": (*_kept(attribute, judged[True], made, answers), LabelConfig()),
    }
    decided = {}
    for arm, (ensemble, of_arm, labelling) in arms.items():
        fitted = fit_ensemble(ensemble, of_arm, labelling) if of_arm else ensemble
        rows = zip(*of_arm, strict=True)
        decided[arm] = [vote(row, fitted, labelling.classes).answer for row in rows]
    return decided


def _kept(
    attribute: str, judged: Sequence[JudgedFunction], made: Sequence[Candidate], answers: Answers
) -> tuple[Ensemble, Answers]:
    """The ensemble that Algorithm 1 leaves, and its functions' answers."""
    ensemble = ensembles_of(judged, [attribute])[attribute]
    place = {function.function_id: i for i, function in enumerate(made)}
    return ensemble, [answers[place[f.function_id]] for f in ensemble.functions]
