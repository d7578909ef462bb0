"""Figures of the vote and its baselines: held-out documents only, by hand, end to end."""

from __future__ import annotations

import pytest

from models.evaporate.config import InductionConfig
from models.evaporate.corpus import Document
from models.evaporate.scores import most_frequent_values, score_strategies
from models.evaporate.selection import induce
from models.evaporate.voting import ensembles_of, extract

DOCUMENTS = [
    Document("s1", "red", sample=True),
    Document("s2", "red", sample=True),
    Document("s3", "blue", sample=True),
    Document("t1", "red fish"),
    Document("t2", "green"),
]
GOLD = {
    ("s1", "A"): "red",
    ("s2", "A"): "red",
    ("s3", "A"): "blue",
    ("t1", "A"): "red",
    ("t2", "A"): "green",
    **{(d.doc_id, "B"): None for d in DOCUMENTS},
}


def test_figures_by_hand() -> None:
    predicted = {("t1", "A"): "red fish", ("t2", "A"): "green", ("t1", "B"): None, ("t2", "B"): "x"}
    scores = score_strategies(DOCUMENTS, GOLD, {"ours": predicted}, ["A", "B"])
    values = {(s.attribute, s.metric): s.value for s in scores}
    assert values == pytest.approx(
        {
            ("A", "text_f1"): (2 / 3 + 1) / 2,
            ("B", "text_f1"): 1 / 2,
            ("macro", "text_f1"): (5 / 6 + 1 / 2) / 2,
            ("A", "exact_match"): 1 / 2,
            ("B", "exact_match"): 1 / 2,
            ("macro", "exact_match"): 1 / 2,
            ("A", "pair_f1"): 1 / 2,
            ("B", "pair_f1"): 0.0,
            ("macro", "pair_f1"): 1 / 4,
            ("all", "pair_precision"): 1 / 3,
            ("all", "pair_recall"): 1 / 2,
            ("all", "pair_f1"): 2 / 5,
            ("all", "wrong"): 1 / 4,
            ("all", "empty"): 0.0,
        }
    )
    assert {s.n for s in scores} == {2}


def test_most_frequent_value_is_that_of_the_examples() -> None:
    common = most_frequent_values(DOCUMENTS, GOLD, ["A", "B"])
    assert {common[d.doc_id, "A"] for d in DOCUMENTS} == {"red"}
    assert {common[d.doc_id, "B"] for d in DOCUMENTS} == {None}
    assert common == most_frequent_values(DOCUMENTS, {**GOLD, ("t2", "A"): "red"}, ["A", "B"])


def test_unknown_cells_are_not_scored() -> None:
    gold = {key: value for key, value in GOLD.items() if key != ("t1", "A")}
    scores = score_strategies(DOCUMENTS, gold, {"ours": {("t1", "A"): "wrong"}}, ["A", "B"])
    figures = {(s.attribute, s.metric): (s.value, s.n) for s in scores}
    assert figures["A", "text_f1"] == (0.0, 1)
    assert figures["B", "text_f1"] == (1.0, 2)
    assert figures["all", "wrong"] == (0.0, 2)
    assert figures["all", "empty"] == (pytest.approx(1 / 3), 2)


def test_something_must_be_held_out() -> None:
    with pytest.raises(ValueError, match="no labelled document is left"):
        score_strategies(DOCUMENTS[:3], GOLD, {}, ["A"])


def test_header_fields_are_learnt_end_to_end() -> None:
    """Look-alikes in the body, a key that is the prefix of another, a field most documents lack."""
    documents, gold = [], {}
    for i in range(60):
        rare = f"Author: person {i}\r\n" if i % 3 == 0 else ""
        text = (
            f"Format: 2\r\nName: doc{i}\r\nAuthor-email: p{i}@example.org\r\n{rare}"
            f"\r\nName: nobody\r\nAuthor: somebody, in doc{i}\r\n"
        )
        documents.append(Document(f"d{i:02}", text, sample=i < 10))
        gold[f"d{i:02}", "Name"] = f"doc{i}"
        gold[f"d{i:02}", "Author-email"] = f"p{i}@example.org"
        gold[f"d{i:02}", "Author"] = f"person {i}" if rare else None
    attributes = ["Name", "Author-email", "Author"]
    judged = induce(documents, gold, attributes, InductionConfig())
    ensembles = ensembles_of(judged, attributes)
    cells = extract(documents, ensembles)
    vote = {(c.doc_id, c.attribute): c.answer.value if c.answer else None for c in cells}
    common = most_frequent_values(documents, gold, attributes)
    scores = score_strategies(documents, gold, {"vote": vote, "common": common}, attributes)
    macro = {s.strategy: s.value for s in scores if (s.attribute, s.metric) == ("macro", "text_f1")}
    assert macro["vote"] == 1.0
    assert macro["common"] < 0.5
