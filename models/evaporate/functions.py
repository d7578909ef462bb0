"""Extraction functions as data: where a value starts, how far it goes, what of it counts.

Every function is a frozen pydantic model, so it travels as JSON and no code is ever executed; it
answers with a value and the characters of the source it was read from. The patterns are made of
escaped literals and of runs of one character class, anchored at the start of a line or bounded in
length: they take linear time on any text. The number of places tried and the length of a value are
bounded too, so no function is slow on any document.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter

from models.evaporate.items import SEPARATOR, Item, ItemPattern
from models.evaporate.pages import MAX_LINE_NUMBER, MAX_VALUE, Extent, Page, Span, without_tags

MAX_PLACES = 256  # places one function tries in one document
MAX_ITEMS = 64  # items of a list

Scope = Literal["head", "document"]
Pick = Literal["first", "last"]
Take = Literal["all", "first", "leading"]
"""Which items of a region count: all, the first, or those that begin a line, a clause or a
parenthesis (codes do, words that look like codes seldom do)."""

_EDGES = " \t\r\n#*|"
_LEADING = re.compile(r"(?:^|[;,:(/&\n]|\band\b)[\s(]*$")


class Answer(NamedTuple):
    """What a function found: its value, never empty, and the characters of the source behind it.

    A value may be written otherwise than its source: white space is made single, tags are dropped,
    items take the form of the examples.
    """

    value: str
    start: int
    end: int


class Trim(BaseModel, frozen=True, extra="forbid"):
    """What of a region is the value: what follows `after` and precedes `until`, or its items."""

    after: str = Field("", max_length=40)
    until: str = Field("", max_length=8)
    item: ItemPattern | None = None
    take: Take = "all"

    def read(self, text: str, region: list[Span]) -> tuple[str, int, int] | None:
        """Value and span within `text` of a region, which is one stretch or several cells."""
        if self.item is not None:
            return self._items(self.item, text, region)
        values: dict[str, Span] = {}
        for start, end in region:
            if cut := self._cut(text, start, end):
                values.setdefault(without_tags(text[slice(*cut)]), cut)
        values.pop("", None)
        if not values:
            return None
        spans = list(values.values())
        return SEPARATOR.join(values), spans[0][0], spans[-1][1]

    def _cut(self, text: str, start: int, end: int) -> Span | None:
        if self.after:
            at = text.find(self.after, start, end)
            if at < 0:
                return None
            start = at + len(self.after)
        while start < end and text[start] in _EDGES:
            start += 1
        if self.until:
            at = text.find(self.until, start + 1, end)
            end = at if at >= 0 else end
        while end > start and text[end - 1] in _EDGES:
            end -= 1
        return (start, end) if start < end else None

    def _items(
        self, pattern: ItemPattern, text: str, region: list[Span]
    ) -> tuple[str, int, int] | None:
        found: dict[str, Item] = {}
        for start, end in region:
            for item in islice(pattern.find(text, start, end), MAX_ITEMS):
                if self.take == "leading" and not _LEADING.search(
                    text[max(start, item.start - 12) : item.start]
                ):
                    continue
                found.setdefault(item.value, item)
                if self.take == "first":
                    return item
        if not found:
            return None
        items = list(found.values())
        return SEPARATOR.join(found), items[0].start, items[-1].end


class Function(BaseModel, frozen=True, extra="forbid"):
    """Base of the kinds below. Two functions are equal if their JSON is."""

    kind: str
    trim: Trim = Trim()

    @cached_property
    def function_id(self) -> str:
        """Name of the function: its kind and the first 10 digits of its JSON's SHA-256."""
        return f"{self.kind}-{hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:10]}"

    @abstractmethod
    def regions(self, page: Page) -> Iterator[list[Span]]:
        """Where values may stand in `page.text`, the preferred place first; they may be blank."""

    def apply(self, page: Page) -> Answer | None:
        """The first region that holds a value, or None. Never raises."""
        for region in islice(self.regions(page), MAX_PLACES):
            if read := self.trim.read(page.text, region):
                value, start, end = read
                return Answer(value, *page.to_source(start, end))
        return None


class LabelFunction(Function, frozen=True):
    """What belongs to a label: "label: value", a heading and its section, a table's column."""

    kind: Literal["label"] = "label"
    labels: tuple[str, ...] = Field(
        min_length=1, description="keys (models.evaporate.pages.key_of), the preferred one first"
    )
    extent: Extent
    scope: Scope = "document"
    pick: Pick = "first"
    near: bool = Field(False, description="where no label is found, take one that contains it")

    def regions(self, page: Page) -> Iterator[list[Span]]:
        known = page.places
        found = [label for label in self.labels if label in known]
        if not found and self.near and not any(label in page.columns for label in self.labels):
            found = [key for label in self.labels for key in known if _alike(label, key)]
        for label in found:
            places = known[label] if self.pick == "first" else reversed(known[label])
            for position in places:
                if self.scope == "head" and page.leads[position].start > page.head_end:
                    continue
                start, end = page.block(position, self.extent)
                yield [(start, min(end, page.head_end) if self.scope == "head" else end)]
        if self.scope == "document":
            for label in self.labels:
                if label in page.columns:
                    yield page.columns[label]


class PathFunction(Function, frozen=True):
    """The text of an HTML page's elements with a given path, such as "dl>dd.capital"."""

    kind: Literal["path"] = "path"
    path: str = Field(min_length=1)
    number: int | None = Field(None, ge=0, description="which of them; null: all, as a list")

    def regions(self, page: Page) -> Iterator[list[Span]]:
        spans = page.paths.get(self.path, [])
        if self.number is None:
            yield spans[:MAX_ITEMS]
        else:
            yield spans[self.number : self.number + 1]


class BetweenFunction(Function, frozen=True):
    """What stands between two literals on one line; without a suffix, up to the line's end."""

    kind: Literal["between"] = "between"
    prefix: str = Field(min_length=1)
    suffix: str | None = Field(min_length=1)
    scope: Scope = "document"
    pick: Pick = "first"

    def regions(self, page: Page) -> Iterator[list[Span]]:
        text = page.text
        stop = page.head_end if self.scope == "head" else len(text)
        for at in _picked(_occurrences(text, self.prefix, stop), self.pick):
            start = at + len(self.prefix)
            limit = min(stop, start + MAX_VALUE)
            end = text.find("\n", start, limit)
            end = limit if end < 0 else end
            if self.suffix is not None:
                end = max(start, text.find(self.suffix, start, end))
            yield [(start, end)]


class ShapeFunction(Function, frozen=True):
    """Strings of the examples' form anywhere in the document, or in its head."""

    kind: Literal["shape"] = "shape"
    scope: Scope = "document"
    pick: Pick = "first"

    def regions(self, page: Page) -> Iterator[list[Span]]:
        if self.trim.item is None:
            return
        stop = page.head_end if self.scope == "head" else len(page.text)
        items = self.trim.item.find(page.text, 0, stop)
        if self.pick == "first":
            yield from ([(item.start, item.end)] for item in items)
        else:
            for item in reversed(deque(items, maxlen=MAX_PLACES)):
                yield [(item.start, item.end)]


class LineFunction(Function, frozen=True):
    """The n-th line that is not blank."""

    kind: Literal["line"] = "line"
    number: int = Field(ge=1, le=MAX_LINE_NUMBER)

    def regions(self, page: Page) -> Iterator[list[Span]]:
        if self.number <= len(page.lines):
            start, end = page.lines[self.number - 1]
            yield [(start, min(end, start + MAX_VALUE))]


AnyFunction = Annotated[
    LabelFunction | PathFunction | BetweenFunction | ShapeFunction | LineFunction,
    Field(discriminator="kind"),
]
_PARSER: TypeAdapter[AnyFunction] = TypeAdapter(AnyFunction)


def parse_function(spec: str) -> AnyFunction:
    """The function a JSON spec describes. ValueError (pydantic's) names the field that is wrong."""
    return _PARSER.validate_json(spec)


def _alike(label: str, key: str) -> bool:
    """Whether one contains the other and is at least half as long: lost or added words."""
    short, long = sorted((label, key), key=len)
    return 2 * len(short) >= len(long) and len(short) >= 5 and short in long


def _occurrences(text: str, literal: str, stop: int) -> Iterator[int]:
    at = text.find(literal, 0, stop)
    while at >= 0:
        yield at
        at = text.find(literal, at + 1, stop)


def _picked(places: Iterator[int], pick: Pick) -> Iterator[int]:
    return places if pick == "first" else reversed(deque(places, maxlen=MAX_PLACES))
