"""Candidate functions from labelled examples, without a language model.

It stands where the paper's function synthesis stands (section 3.2): many functions of mixed
quality per attribute. Every place of an example that holds its value suggests functions that would
find it there: by the label, heading or table header it belongs to, by the path of its HTML element,
by its neighbours on the line, by its form, by the number of its line. What the examples' values
have in common, and what stands beside them, decides how a value is cut out of such a place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice, product
from typing import NamedTuple, get_args

from models.evaporate.corpus import Example
from models.evaporate.functions import (
    AnyFunction,
    BetweenFunction,
    LabelFunction,
    LineFunction,
    PathFunction,
    Pick,
    Scope,
    ShapeFunction,
    Take,
    Trim,
)
from models.evaporate.items import ItemPattern, learn_pattern
from models.evaporate.metrics import text_f1
from models.evaporate.pages import Extent, Page

_MAX_PLACES = 8  # occurrences of a value that are used in one document
_MAX_WORDS = 40  # words of a value that are looked for
_MAX_REGION = 4_000  # characters of a region that may hold a value
_MAX_PREFIX = 40  # characters
_MAX_LABELS = 6  # of one function
_PREFIXES = (16, 8)  # characters of context before a value
_SUFFIXES = (3, 1)  # characters of context after it
_ALIKE = 0.5  # Text F1 from which a place is taken to hold the value
_EXTENTS: tuple[Extent, ...] = get_args(Extent)
_NODE_EXTENTS: tuple[Extent, ...] = ("line", "section")  # others are like these in HTML
_PICKS: tuple[Pick, ...] = get_args(Pick)
_TAKES: tuple[Take, ...] = get_args(Take)


class Place(NamedTuple):
    """One occurrence of a value; `before` and `after` are the rest of its line(s)."""

    start: int
    end: int
    before: str
    after: str


def candidates(examples: Sequence[Example], limit: int) -> list[AnyFunction]:
    """At most `limit` different functions, those that most examples suggest first.

    Functions that differ in their label only are also joined into one that knows all the labels.
    Among equals the order is that of suggestion.
    """
    values = [example.value for example in examples if example.value is not None]
    patterns = _patterns(values)
    support: Counter[AnyFunction] = Counter()
    for page, value in examples:
        if value is not None:
            support.update(list(dict.fromkeys(_suggestions(page, value, patterns))))
    joined = list(_joined(examples, support))
    alone = (function for function, _ in support.most_common())
    return list(islice(dict.fromkeys(chain(joined, alone)), limit))


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


def _patterns(values: Sequence[str]) -> list[ItemPattern]:
    learned = (learn_pattern(values, strict) for strict in (False, True))
    return list(dict.fromkeys(pattern for pattern in learned if pattern))


def _suggestions(page: Page, value: str, patterns: Sequence[ItemPattern]) -> Iterator[AnyFunction]:
    found = places(page.text, value)
    yield from _by_label(page, value, patterns)
    yield from _by_path(page, value, patterns)
    for place in found:
        head = place.end <= page.head_end
        ways = list(product(_scopes(head), _PICKS))
        yield from _by_neighbours(place, ways)
        yield from _by_line(page, place, value)
    head = bool(found) and found[0].end <= page.head_end
    yield from _by_shape(patterns, _scopes(head))


def _scopes(head: bool) -> tuple[Scope, ...]:
    return ("head", "document") if head else ("document",)


def _by_label(page: Page, value: str, patterns: Sequence[ItemPattern]) -> Iterator[AnyFunction]:
    extents = _NODE_EXTENTS if page.nodes else _EXTENTS
    for key in dict.fromkeys((*page.places, *page.columns)):
        where = page.places.get(key, [])
        head = bool(where) and page.leads[where[0]].start < page.head_end
        picks = _PICKS if len(where) > 1 else _PICKS[:1]
        for extent, scope, pick in product(extents, _scopes(head), picks):
            whole = LabelFunction(labels=(key,), extent=extent, scope=scope, pick=pick)
            region = next(whole.regions(page), None)
            if not region or region[-1][1] - region[0][0] > _MAX_REGION:
                continue
            for trim in _trims(page, region, value, patterns):
                yield whole.model_copy(update={"trim": trim})
            if not where:
                break  # a table's column has no extents


def _by_path(page: Page, value: str, patterns: Sequence[ItemPattern]) -> Iterator[AnyFunction]:
    for path, spans in page.paths.items():
        for number, span in enumerate(spans[:_MAX_PLACES]):
            for trim in _trims(page, [span], value, patterns):
                yield PathFunction(path=path, number=number, trim=trim)
        if len(spans) > 1:
            for trim in _trims(page, spans, value, patterns):
                yield PathFunction(path=path, trim=trim)


def _trims(
    page: Page, region: list[tuple[int, int]], value: str, patterns: Sequence[ItemPattern]
) -> Iterator[Trim]:
    """Ways to cut the value out of a region, if it is there."""
    whole = Trim().read(page.text, region)
    if whole is None:
        return
    if text_f1(value, whole[0]) >= _ALIKE:
        yield Trim()
    for pattern, take in product(patterns, _TAKES):
        trim = Trim(item=pattern, take=take)
        read = trim.read(page.text, region)
        if read and text_f1(value, read[0]) >= _ALIKE:
            yield trim
    start, end = region[0][0], region[-1][1]
    for place in places(page.text[start:end], value)[:1]:
        after = page.text[start : start + place.start].lstrip(" \t\r\n#*|")
        afters = ["", after[-_MAX_PREFIX:]] if after else [""]
        untils = ["", *_boundaries(page.text[start + place.end : end])]
        for cut_after, cut_until in product(afters, untils):
            if cut_after or cut_until:
                yield Trim(after=cut_after, until=cut_until)


def _boundaries(following: str) -> list[str]:
    """What may end a value that is followed by this: the line's end, or signs that are no word."""
    bare = following.strip()
    if not bare:
        return []
    if following.lstrip(" \t\r").startswith("\n"):
        return ["\n"]
    return [] if bare[0].isalnum() else list(dict.fromkeys((bare[:1], bare.split()[0][:8])))


def _by_neighbours(place: Place, ways: list[tuple[Scope, Pick]]) -> Iterator[AnyFunction]:
    if not place.before.strip():
        return
    whole = [place.before] if len(place.before) <= _MAX_PREFIX else []
    prefixes = whole + [place.before[-length:] for length in _PREFIXES]
    suffixes = [place.after[:length] for length in _SUFFIXES] if place.after else [None]
    for prefix, suffix, (scope, pick) in product(prefixes, suffixes, ways):
        if prefix.strip():
            yield BetweenFunction(prefix=prefix, suffix=suffix, scope=scope, pick=pick)


def _by_line(page: Page, place: Place, value: str) -> Iterator[AnyFunction]:
    for number, (start, end) in enumerate(page.lines, start=1):
        if start <= place.start < end:
            for trim in _trims(page, [(start, end)], value, ()):
                yield LineFunction(number=number, trim=trim)


def _by_shape(patterns: Sequence[ItemPattern], scopes: Sequence[Scope]) -> Iterator[AnyFunction]:
    for pattern, scope, pick in product(patterns, scopes, _PICKS):
        trim = Trim(item=pattern, take="first")
        yield ShapeFunction(trim=trim, scope=scope, pick=pick)


def _joined(examples: Sequence[Example], support: Counter[AnyFunction]) -> Iterator[LabelFunction]:
    """Label functions that know several labels, those most examples suggest first.

    A label is taken that is right more often than wrong, and either on two examples or on one where
    the labels before it find nothing. Each function comes once more in the form that also takes
    labels alike.
    """
    groups: dict[LabelFunction, list[tuple[int, LabelFunction]]] = {}
    for function, count in support.items():
        if isinstance(function, LabelFunction):
            plain = function.model_copy(update={"labels": ("*",)})
            groups.setdefault(plain, []).append((count, function))
    ranked = sorted(groups.items(), key=lambda group: -sum(count for count, _ in group[1]))
    for plain, members in ranked:
        labels: list[str] = []
        open_examples = list(examples)
        for _, function in sorted(members, key=lambda member: -member[0]):
            hits, misses = _hits(function, examples)
            if hits > misses and (hits > 1 or _hits(function, open_examples)[0]):
                labels += function.labels
                open_examples = [e for e in open_examples if function.apply(e.page) is None]
        if labels:
            for near in (False, True):
                yield plain.model_copy(update={"labels": tuple(labels[:_MAX_LABELS]), "near": near})


def _hits(function: AnyFunction, examples: Sequence[Example]) -> tuple[int, int]:
    """On how many examples it answers rightly, and wrongly."""
    right = [
        text_f1(value, answer.value) > _ALIKE
        for page, value in examples
        if (answer := function.apply(page))
    ]
    return sum(right), len(right) - sum(right)
