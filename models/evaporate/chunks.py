"""Documents in pieces that a language model can read, as the paper's code cuts them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.evaporate.pages import Span

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ENDS = (". ", ", ")  # where a line longer than a chunk is cut, in this order


def chunk_spans(text: str, size: int) -> list[Span]:
    """Consecutive spans of at most `size` characters that together are the text.

    Lines stay whole where they fit; a longer line is cut behind ". ", a longer sentence behind
    ", ". What has neither is a span of its own, as long as it is.
    Raises ValueError if size is below 1.
    """
    if size < 1:
        raise ValueError(f"a chunk of {size} characters: give a size of 1 or more")
    spans: list[Span] = []
    start = end = 0
    for piece in _pieces(text, size):
        if end > start and end - start + piece > size:
            spans.append((start, end))
            start = end
        end += piece
    return [*spans, (start, end)] if end > start else spans


def _pieces(text: str, size: int) -> Iterator[int]:
    """Lengths of the parts that are not cut, in order."""
    for line in _LINE.finditer(text):
        yield from _cut(line[0], size, _ENDS)


def _cut(text: str, size: int, ends: tuple[str, ...]) -> Iterator[int]:
    if len(text) <= size or not ends:
        yield len(text)
        return
    at = 0
    while at < len(text):
        found = text.find(ends[0], at)
        stop = len(text) if found < 0 else found + len(ends[0])
        yield from _cut(text[at:stop], size, ends[1:])
        at = stop
