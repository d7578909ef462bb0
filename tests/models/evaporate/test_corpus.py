"""The draw of the examples, and the one way from gold labels to induction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.corpus import Document, choose_examples, examples_of

NAMES = [f"doc-{i}" for i in range(50)]


def test_draw_has_k_documents_and_follows_the_seed() -> None:
    assert len(choose_examples(NAMES, 10, seed=0)) == 10
    assert choose_examples(NAMES, 10, seed=0) == choose_examples(NAMES[::-1], 10, seed=0)
    assert choose_examples(NAMES, 10, seed=0) != choose_examples(NAMES, 10, seed=1)
    assert choose_examples(NAMES[:3], 10, seed=0) == set(NAMES[:3])


@given(st.sampled_from(NAMES), st.integers(0, 5))
def test_a_removed_document_moves_at_most_one_other(name: str, seed: int) -> None:
    before = choose_examples(NAMES, 10, seed)
    after = choose_examples([other for other in NAMES if other != name], 10, seed)
    assert len(after - before) == (name in before)


def test_examples_read_samples_only() -> None:
    documents = [Document("a", "A: 1", sample=True), Document("b", "A: 2")]
    (example,) = examples_of(documents, {("a", "A"): "1"}, "A")
    assert (example.page.text, example.value) == ("A: 1", "1")


def test_samples_without_label_are_no_examples() -> None:
    documents = [Document("a", "x: 1", sample=True), Document("b", "x: 2", sample=True)]
    assert [e.value for e in examples_of(documents, {("b", "x"): "2"}, "x")] == ["2"]
    with pytest.raises(ValueError, match="none of the samples has a label for attribute 'x'"):
        examples_of(documents, {("c", "x"): "3"}, "x")


def test_something_must_be_a_sample() -> None:
    with pytest.raises(ValueError, match="no document is marked as a sample"):
        examples_of([Document("a", "x: 1")], {("a", "x"): "1"}, "x")
