"""Where a value that a function returned stands in its document; what stands nowhere is no value.

A function made of patterns knows the characters it read. Code returns text only, so its values are
looked for: verbatim first, then with white space of any length and letters of any case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.evaporate.functions import Answer
from models.evaporate.items import SEPARATOR
from models.evaporate.pages import Page, Span

_MAX_WORDS = 400  # words of a value that are looked for where it is not verbatim


def trace(page: Page, values: Sequence[str]) -> Answer | None:
    """The values that occur in the page as one answer, with the stretch of source they span.

    Values that do not occur are made up, or put together from pieces, and are left out.
    """
    found = [(value, span) for value in values if (span := locate(page.text, value))]
    if not found:
        return None
    start = min(span[0] for _, span in found)
    end = max(span[1] for _, span in found)
    return Answer(SEPARATOR.join(value for value, _ in found), *page.to_source(start, end))


def locate(text: str, value: str) -> Span | None:
    """The first place of a value in a text, on word boundaries if it has such a place."""
    at = first = text.find(value)
    while at >= 0:
        end = at + len(value)
        if not _within_word(text, at) and not _within_word(text, end):
            return at, end
        at = text.find(value, at + 1)
    if first >= 0:
        return first, first + len(value)
    words = value.split()
    if not words or len(words) > _MAX_WORDS:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), text, re.IGNORECASE)
    return found.span() if found else None


def _within_word(text: str, at: int) -> bool:
    """Whether the character before `at` and the one at it belong to one word."""
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
