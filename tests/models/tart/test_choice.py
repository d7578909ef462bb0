"""Queries are put aside first, in their proportions; the shots are balanced among the rest."""

from collections import Counter

import pytest

from models.tart.choice import choose

MANY = ["ham"] * 600 + ["spam"] * 100
FEW = ["company"] * 38 + ["institute"] * 6 + ["university"] * 6


@pytest.mark.parametrize("seed", range(5))
def test_queries_have_the_proportions_of_the_items_and_are_never_shown(seed):
    shots, queries = choose(MANY, 64, seed, 100)
    assert len(set(shots) | set(queries)) == 164
    for n in range(2, 101):
        spam = Counter(MANY[i] for i in queries[:n])["spam"]
        assert abs(spam - n / 7) <= 1
    assert Counter(MANY[i] for i in shots) == {"ham": 32, "spam": 32}


def test_shots_and_queries_are_nested():
    shots, queries = choose(MANY, 64, 1, 100)
    assert choose(MANY, 18, 1, 50) == (shots[:18], queries[:50])
    assert choose(MANY, 64, 2, 100)[1] != queries


@pytest.mark.parametrize("seed", range(5))
def test_with_few_items_every_class_is_shown_and_asked_about(seed):
    shots, queries = choose(FEW, 32, seed, 100)
    assert len(shots) == 32
    assert len(queries) == 18
    assert not set(shots) & set(queries)
    assert set(Counter(FEW[i] for i in queries)) == set(FEW)
    assert Counter(FEW[i] for i in queries)["company"] in (13, 14)
    assert set(FEW[i] for i in shots) == set(FEW)
    assert shots[:18] == choose(FEW, 18, seed, 18)[0]


def test_a_class_of_one_item_is_shown():
    labels = ["a"] * 6 + ["b"] * 6 + ["c"]
    shots, queries = choose(labels, 4, 0, 50)
    assert "c" in {labels[i] for i in shots}
    assert {labels[i] for i in queries} == {"a", "b"}


@pytest.mark.parametrize(
    ("labels", "most", "says"),
    [
        (["a", "b"] * 4, 8, "none is left to be asked about"),
        (["a"] * 9 + ["b"], 4, "two items each, one to show and one to ask about; got 'a' 9"),
        (["a"] * 9, 4, "at least 2 classes, got only 'a'"),
        (list("abcdef"), 4, "4 shots cannot show 6 classes"),
    ],
    ids=["all shown", "one class to ask", "one class", "every item its own class"],
)
def test_impossible_choices_are_refused(labels, most, says):
    with pytest.raises(ValueError, match=says):
        choose(labels, most, 0, 5)
