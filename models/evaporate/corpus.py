"""Documents, their labels, and the few labelled examples that induction may see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from models.evaporate.pages import Page

Gold = Mapping[tuple[str, str], str | None]  # value by (doc_id, attribute)


@dataclass(frozen=True)
class Document:
    """A text of the corpus; `sample` marks the labelled examples."""

    doc_id: str
    text: str
    sample: bool = False

    @cached_property
    def page(self) -> Page:
        return Page(self.text)


class Example(NamedTuple):
    """A page and the value of the attribute in question; None says it has none."""

    page: Page
    value: str | None


def choose_examples(doc_ids: Sequence[str], k: int, seed: int) -> frozenset[str]:
    """k documents drawn at random without replacement, all of them if there are no more.

    The draw goes by the hash of seed and id, so a document that is added or removed moves at most
    one other document in or out.
    """
    drawn = sorted(doc_ids, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    return frozenset(drawn[:k])


def examples_of(documents: Sequence[Document], gold: Gold, attribute: str) -> list[Example]:
    """The labelled examples of one attribute: the ONLY way from gold labels to induction.

    Labels of documents that are not samples are never read. A sample without a label, which is not
    the same as the label None, is no example.
    Raises ValueError if no document is a sample, or no sample has a label.
    """
    samples = [document for document in documents if document.sample]
    if not samples:
        raise ValueError("no document is marked as a sample; functions are judged on samples")
    examples = [
        Example(document.page, gold[document.doc_id, attribute])
        for document in samples
        if (document.doc_id, attribute) in gold
    ]
    if not examples:
        raise ValueError(
            f"none of the samples has a label for attribute {attribute!r}; "
            "give None for documents without a value"
        )
    return examples
