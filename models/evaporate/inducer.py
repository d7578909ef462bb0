"""Candidate functions from labelled examples, without a language model.

It stands where the paper's function synthesis stands (section 3.2): many functions of mixed
quality per attribute. Each place where an example's value occurs in its text suggests functions
that would find it there: by the label before it, by the heading above it, by its neighbours on the
line, by its shape, by the number of its line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice, product
from typing import NamedTuple

from models.evaporate.corpus import Example
from models.evaporate.functions import (
    AnyFunction,
    BetweenFunction,
    BlockExtent,
    HeadingFunction,
    LabelFunction,
    LineExtent,
    LineFunction,
    Page,
    Pick,
    Scope,
    ShapeFunction,
    shape_of,
)

_SEPARATORS = ":=|"
_MAX_PLACES = 8  # occurrences of a value that are used in one document
_MAX_WORDS = 40  # words of a value that are looked for
_MAX_LABEL = 80  # characters
_MAX_PREFIX = 40  # characters
_MAX_SHAPE = 24  # runs and literals
_PREFIXES = (16, 8)  # characters of context before a value
_SUFFIXES = (3, 1)  # characters of context after it
_RULE = re.compile(r"[\s=~^*#-]*")


class Place(NamedTuple):
    """One occurrence of a value; `before` and `after` are the rest of its line(s)."""

    start: int
    end: int
    before: str
    after: str


def candidates(examples: Sequence[Example], limit: int) -> list[AnyFunction]:
    """At most `limit` different functions, those that most examples suggest first.

    Among equals the order is that of suggestion: general before special (a label's case does not
    matter before it does), the head of the document before all of it, first match before last.
    """
    support: Counter[AnyFunction] = Counter()
    for page, value in examples:
        if value is not None:
            found = (_suggestions(page, value, place) for place in places(page.text, value))
            support.update(list(dict.fromkeys(chain.from_iterable(found))))
    return [function for function, _ in support.most_common(limit)]


def places(text: str, value: str) -> list[Place]:
    """The first occurrences of a value, not within longer words, white space of any length."""
    words = value.split()[:_MAX_WORDS]
    if not words:
        return []
    pattern = r"\s+".join(re.escape(word) for word in words)
    before = r"(?<!\w)" if re.match(r"\w", words[0][0]) else ""
    after = r"(?!\w)" if re.match(r"\w", words[-1][-1]) else ""
    found = re.finditer(before + pattern + after, text)
    return [_place(text, *match.span()) for match in islice(found, _MAX_PLACES)]


def _place(text: str, start: int, end: int) -> Place:
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    rest = text[end:] if line_end < 0 else text[end:line_end]
    return Place(start, end, text[line_start:start], rest.rstrip())


def _suggestions(page: Page, value: str, place: Place) -> Iterator[AnyFunction]:
    scopes: tuple[Scope, ...] = (
        ("head", "document") if place.end <= page.head_end else ("document",)
    )
    ways: list[tuple[Scope, Pick]] = list(product(scopes, ("first", "last")))
    yield from _by_label(place, ways)
    yield from _by_heading(page.text, place, ways)
    yield from _by_neighbours(place, ways)
    yield from _by_line(page, place)
    yield from _by_shape(value, ways)


def _by_label(place: Place, ways: list[tuple[Scope, Pick]]) -> Iterator[AnyFunction]:
    lead = place.before.strip()
    label, separator = lead[:-1].rstrip(), lead[-1:]
    if not label or separator not in _SEPARATORS or len(label) > _MAX_LABEL:
        return
    extents: tuple[LineExtent, ...] = ("folded", "line")
    for extent, ignore_case, (scope, pick) in product(extents, (True, False), ways):
        yield LabelFunction(
            label=label,
            separator=separator,
            extent=extent,
            ignore_case=ignore_case,
            scope=scope,
            pick=pick,
        )


def _by_heading(text: str, place: Place, ways: list[tuple[Scope, Pick]]) -> Iterator[AnyFunction]:
    if place.before.strip():
        return
    above = text[: place.start].splitlines()
    heading = next((line for line in reversed(above) if not _RULE.fullmatch(line)), "")
    heading = heading.strip().rstrip(": \t")
    if not heading or len(heading) > _MAX_LABEL:
        return
    extents: tuple[BlockExtent, ...] = ("paragraph", "line")
    for extent, (scope, pick) in product(extents, ways):
        yield HeadingFunction(heading=heading, extent=extent, scope=scope, pick=pick)


def _by_neighbours(place: Place, ways: list[tuple[Scope, Pick]]) -> Iterator[AnyFunction]:
    if not place.before.strip():
        return
    whole = [place.before] if len(place.before) <= _MAX_PREFIX else []
    prefixes = whole + [place.before[-length:] for length in _PREFIXES]
    suffixes = [place.after[:length] for length in _SUFFIXES] if place.after else [None]
    for prefix, suffix, (scope, pick) in product(prefixes, suffixes, ways):
        if prefix.strip():
            yield BetweenFunction(prefix=prefix, suffix=suffix, scope=scope, pick=pick)


def _by_line(page: Page, place: Place) -> Iterator[AnyFunction]:
    for number, (start, end) in enumerate(page.lines, start=1):
        if start <= place.start < end:
            separator = place.before.rstrip()[-1:]
            if not separator:
                yield LineFunction(number=number, after=None)
            elif separator in _SEPARATORS:
                yield LineFunction(number=number, after=separator)


def _by_shape(value: str, ways: list[tuple[Scope, Pick]]) -> Iterator[AnyFunction]:
    shape = shape_of(value)
    if len(shape) <= _MAX_SHAPE and "\n" not in value:
        for scope, pick in ways:
            yield ShapeFunction(shape=shape, scope=scope, pick=pick)
