"""Algorithm 1: scores, the abstain rule at tau, the filter at 0.5, no label but the samples'."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.config import InductionConfig
from models.evaporate.corpus import Document, Example
from models.evaporate.functions import Answer
from models.evaporate.inducer import candidates
from models.evaporate.pages import Page
from models.evaporate.selection import JudgedFunction, induce, is_abstention, judge, score

CONFIG = InductionConfig()


def answers(*values: str | None) -> list[Answer | None]:
    return [Answer(value, 0, len(value)) if value else None for value in values]


def judged_on(examples: list[Example], config: InductionConfig) -> list[JudgedFunction]:
    """The inducer's candidates on the examples they were made from."""
    made = candidates(examples, config.max_candidates)
    found = [[function.apply(page) for page, _ in examples] for function in made]
    return judge("Key", made, [example.value for example in examples], found, config)


def corpus(n: int, samples: int) -> tuple[list[Document], dict[tuple[str, str], str | None]]:
    """Header blocks with a rare field and, in the body, look-alikes of the fields."""
    documents, gold = [], {}
    for i in range(n):
        author = f"Author: person {i}\n" if i % 3 == 0 else ""
        text = (
            f"Format: 1\nName: doc{i}\nVersion: {i}.{i + 1}\n{author}Author-email: p{i}@example.org"
            f"\n\nAbout doc{i}\nName: nobody\nVersion: 9.9\n"
        )
        documents.append(Document(f"d{i}", text, sample=i < samples))
        gold[f"d{i}", "Name"] = f"doc{i}"
        gold[f"d{i}", "Version"] = f"{i}.{i + 1}"
        gold[f"d{i}", "Author"] = f"person {i}" if author else None
        gold[f"d{i}", "Author-email"] = f"p{i}@example.org"
    return documents, gold


ATTRIBUTES = ("Name", "Version", "Author", "Author-email")


@pytest.mark.parametrize(
    ("present", "abstain"),
    [(10, True), (9, False), (0, False)],
    ids=["above-tau", "at-tau", "never"],
)
def test_empty_answers_abstain_above_tau(present: int, abstain: bool) -> None:
    gold = ["v"] * present + [None] * (10 - present)
    assert is_abstention(gold, tau=0.9) is abstain


def test_score_counts_only_answers_when_empty_ones_abstain() -> None:
    gold, found = ["red", "blue", "green"], answers("red", None, "grey")
    assert score(gold, found, abstain=True) == pytest.approx((1 / 2, 1 / 2, 2 / 3))
    assert score(gold, found, abstain=False) == pytest.approx((1 / 3, 0.0, 2 / 3))


def test_empty_answer_is_right_where_there_is_no_value() -> None:
    gold = ["red", None]
    assert score(gold, answers("red", None), abstain=False).mean == 1.0
    assert score(gold, answers("red", "x"), abstain=False).mean == 0.5


def test_function_without_answers_scores_nothing_when_it_abstains() -> None:
    assert score(["red", "blue"], answers(None, None), abstain=True) == (0.0, 0.0, 0.0)


def test_same_answers_decide_differently_on_the_two_sides_of_tau() -> None:
    """One value in ten missing: at tau 0.9 an empty answer is a vote, at 0.89 an abstention."""
    examples = [Example(Page(f"Key: v{i}"), f"v{i}") for i in range(9)]
    examples.append(Example(Page("nothing"), None))
    at = judged_on(examples, CONFIG.model_copy(update={"tau": 0.9}))
    above = judged_on(examples, CONFIG.model_copy(update={"tau": 0.89}))
    assert {one.abstain for one in at} == {False}
    assert {one.abstain for one in above} == {True}
    assert at[0].score.coverage == above[0].score.coverage == 0.9


@pytest.mark.parametrize(
    ("threshold", "kept"), [(0.49, True), (0.5, False), (0.51, False)], ids=["below", "at", "above"]
)
def test_filter_at_the_threshold(threshold: float, kept: bool) -> None:
    """The label is right in one of two pages; nothing is better."""
    examples = [Example(Page("Key: red"), "red"), Example(Page("Key: red"), "blue")]
    best = judged_on(examples, CONFIG.model_copy(update={"threshold": threshold}))[0]
    assert best.score.mean == 0.5
    assert (best.votes > 0) is kept
    assert best.reason == (None if kept else f"Text F1 0.500 is not above {threshold:g}")


def test_never_answering_is_no_way_to_a_vote() -> None:
    """Eight of ten documents lack the value; silence scores 0.8, as does one hit with one miss."""
    examples = [Example(Page("old: red"), "red"), Example(Page("new: 2"), "2")]
    examples += [Example(Page("old: text"), None)] + [Example(Page("none"), None)] * 7
    judged = judged_on(examples, CONFIG)
    old = next(one for one in judged if '"labels":["old"]' in one.function.model_dump_json())
    assert old.score.mean == pytest.approx(0.8)
    assert old.votes == 0
    assert old.reason == "Text F1 0.800 is no better than never answering"


def test_best_functions_have_the_votes_and_twins_are_run_once() -> None:
    documents, gold = corpus(40, samples=10)
    judged = [one for one in induce(documents, gold, ["Name"], CONFIG) if one.attribute == "Name"]
    assert [one.rank for one in judged] == list(range(1, len(judged) + 1))
    assert sum(one.votes for one in judged) == CONFIG.top_functions
    assert all((one.votes > 0) == (one.reason is None) for one in judged)
    pages = [document.page for document in documents]
    behaviours = [tuple(one.function.apply(p) for p in pages) for one in judged if one.votes]
    assert len(set(behaviours)) == len(behaviours)


def test_scores_are_in_order_of_rank() -> None:
    documents, gold = corpus(40, samples=10)
    judged = induce(documents, gold, ["Version"], CONFIG)
    scores = [one.score for one in judged]
    assert scores == sorted(scores, reverse=True)
    assert scores[0].mean == 1.0


def test_labels_of_other_documents_change_nothing() -> None:
    documents, gold = corpus(40, samples=10)
    samples = {document.doc_id for document in documents if document.sample}
    honest = induce(documents, gold, ATTRIBUTES, CONFIG)
    wrong = {key: value if key[0] in samples else "WRONG" for key, value in gold.items()}
    absent = {key: value for key, value in gold.items() if key[0] in samples}
    assert induce(documents, wrong, ATTRIBUTES, CONFIG) == honest
    assert induce(documents, absent, ATTRIBUTES, CONFIG) == honest


def test_labels_of_the_samples_do_matter() -> None:
    documents, gold = corpus(40, samples=10)
    changed = {**gold, ("d0", "Name"): "nobody"}
    assert induce(documents, changed, ["Name"], CONFIG) != induce(documents, gold, ["Name"], CONFIG)


def test_attribute_without_examples_has_no_functions() -> None:
    documents, gold = corpus(12, samples=10)
    blank = gold | {(document.doc_id, "Fax"): None for document in documents}
    assert induce(documents, blank, ["Fax"], CONFIG) == []


def test_samples_are_required() -> None:
    documents, gold = corpus(5, samples=0)
    with pytest.raises(ValueError, match="no document is marked as a sample"):
        induce(documents, gold, ATTRIBUTES, CONFIG)


def test_progress_ends_at_the_total() -> None:
    documents, gold = corpus(12, samples=10)
    seen: list[tuple[int, int]] = []
    induce(documents, gold, ATTRIBUTES, CONFIG, progress=lambda *step: seen.append(step))
    assert seen == [(i, 4) for i in range(5)]


@given(st.lists(st.none() | st.sampled_from(["a b", "a", "b"]), min_size=1), st.booleans())
def test_scores_are_shares(values: list[str | None], abstain: bool) -> None:
    result = score(values, answers(*reversed(values)), abstain)
    assert all(0.0 <= part <= 1.0 for part in result)
