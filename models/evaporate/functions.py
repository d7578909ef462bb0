"""Extraction functions as data: where a value starts, how far it goes, which match counts.

Every function is a frozen pydantic model, so it travels as JSON and no code is ever executed; it
answers with a value and the characters it was read from. The patterns are made of escaped
literals and of runs of one character class, anchored at the start of a line or bounded in length:
they take linear time on any text. The number of places tried and the length of a value are bounded
too, so no function is slow on any document.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter

MAX_PLACES = 256  # matches of one anchor that are tried in one document
MAX_VALUE = 65_536  # characters a value may have
MAX_LINE_NUMBER = 20

Scope = Literal["head", "document"]
Pick = Literal["first", "last"]
LineExtent = Literal["folded", "line"]
BlockExtent = Literal["paragraph", "line"]

_EXTENTS = {
    "line": re.compile(r"[^\n]*"),
    # The header rule of RFC 822: an indented line continues the one above it.
    "folded": re.compile(r"[^\n]*(?:\n[ \t][^\n]*)*"),
    "paragraph": re.compile(r"[^\n]*(?:\n[^\S\n]*\S[^\n]*)*"),
}
_EMPTY_LINE = re.compile(r"\n\r?\n")
_BLANK_OR_RULE = re.compile(r"\r?\n(?:[ \t=~^*#-]*\r?\n){0,4}")
_LINE = re.compile(r"\S[^\n]*")


class Answer(NamedTuple):
    """What a function found: `value` is text[start:end], never empty, without outer spaces."""

    value: str
    start: int
    end: int


class Page:
    """A document's text and what all functions need to know of it, worked out once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def head_end(self) -> int:
        """Where the first block of lines ends: at the first line without any character."""
        first = re.search(r"\S", self.text)
        empty = _EMPTY_LINE.search(self.text, first.start() if first else 0)
        return empty.start() if empty else len(self.text)

    @cached_property
    def lines(self) -> list[tuple[int, int]]:
        """Start and end of the first MAX_LINE_NUMBER lines that are not blank, indents left out."""
        return [m.span() for m in islice(_LINE.finditer(self.text), MAX_LINE_NUMBER)]


class Function(BaseModel, frozen=True, extra="forbid"):
    """Base of the kinds below. Two functions are equal if their JSON is."""

    kind: str

    @property
    def function_id(self) -> str:
        """Name of the function: its kind and the first 10 digits of its JSON's SHA-256."""
        return f"{self.kind}-{hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:10]}"

    @abstractmethod
    def spans(self, page: Page) -> Iterator[tuple[int, int]]:
        """Candidate spans, the preferred one first; they may be blank."""

    def apply(self, page: Page) -> Answer | None:
        """The first span that is not blank, or None. Never raises."""
        for start, end in self.spans(page):
            raw = page.text[start:end]
            value = raw.strip()
            if value:
                begin = end - len(raw.lstrip())
                return Answer(value, begin, begin + len(value))
        return None


class Anchored(Function, frozen=True):
    """A function that looks for a pattern and reads on from its end."""

    scope: Scope = "document"
    pick: Pick = "first"

    @property
    @abstractmethod
    def anchor(self) -> re.Pattern[str]:
        """The pattern; it must take linear time."""

    def matches(self, text: str, stop: int) -> Iterator[re.Match[str]]:
        """All matches before `stop`, in order."""
        return self.anchor.finditer(text, 0, stop)

    @abstractmethod
    def read(self, text: str, found: re.Match[str], limit: int) -> tuple[int, int]:
        """Start and end of the value that goes with one match, not beyond `limit`."""

    def spans(self, page: Page) -> Iterator[tuple[int, int]]:
        stop = page.head_end if self.scope == "head" else len(page.text)
        matches = self.matches(page.text, stop)
        places = (
            islice(matches, MAX_PLACES)
            if self.pick == "first"
            else reversed(deque(matches, maxlen=MAX_PLACES))
        )
        for found in places:
            yield self.read(page.text, found, min(stop, found.end() + MAX_VALUE))


class AtLineStart(Anchored, frozen=True):
    """A function whose pattern begins a line; it must not end with the line's end."""

    @cached_property
    def _after_newline(self) -> re.Pattern[str]:
        return re.compile("\n" + self.anchor.pattern, self.anchor.flags)

    def matches(self, text: str, stop: int) -> Iterator[re.Match[str]]:
        # `re` jumps to a leading literal but walks to "^": 25 times faster on pages of 45 KB.
        first = self.anchor.match(text, 0, stop)
        return chain([first] if first else [], self._after_newline.finditer(text, 0, stop))


class LabelFunction(AtLineStart, frozen=True):
    """`label: value`, the label at the start of a line."""

    kind: Literal["label"] = "label"
    label: str = Field(min_length=1)
    separator: str = Field(min_length=1)
    extent: LineExtent
    ignore_case: bool

    @cached_property
    def anchor(self) -> re.Pattern[str]:
        words = rf"[ \t]*{re.escape(self.label)}[ \t]*{re.escape(self.separator)}"
        return re.compile(words, re.IGNORECASE if self.ignore_case else 0)

    def read(self, text: str, found: re.Match[str], limit: int) -> tuple[int, int]:
        return found.end(), _reach(self.extent, text, found.end(), limit)


class HeadingFunction(AtLineStart, frozen=True):
    """A line of its own (a heading, perhaps underlined) and the value on the lines below it."""

    kind: Literal["heading"] = "heading"
    heading: str = Field(min_length=1)
    extent: BlockExtent

    @cached_property
    def anchor(self) -> re.Pattern[str]:
        return re.compile(rf"[ \t]*{re.escape(self.heading)}[ \t:]*(?=\r?\n)")

    def read(self, text: str, found: re.Match[str], limit: int) -> tuple[int, int]:
        below = _BLANK_OR_RULE.match(text, found.end(), limit)
        start = below.end() if below else found.end()
        return start, _reach(self.extent, text, start, limit)


class BetweenFunction(Anchored, frozen=True):
    """What stands between two literals on one line; without a suffix, up to the line's end."""

    kind: Literal["between"] = "between"
    prefix: str = Field(min_length=1)
    suffix: str | None = Field(min_length=1)

    @cached_property
    def anchor(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.prefix))

    def read(self, text: str, found: re.Match[str], limit: int) -> tuple[int, int]:
        start = found.end()
        end = _reach("line", text, start, limit)
        if self.suffix is not None:
            end = max(start, text.find(self.suffix, start, end))
        return start, end


class ShapeFunction(Anchored, frozen=True):
    """A string of a given shape: "9.9.9" is a version with three parts, ">=9.9" a bound.

    "9" stands for a run of digits, "a" for a run of letters, " " for a run of spaces, every other
    character for itself. Runs have up to 40 characters.
    """

    kind: Literal["shape"] = "shape"
    shape: str = Field(min_length=1)

    @cached_property
    def anchor(self) -> re.Pattern[str]:
        # Possessive: a run is never tried again at a shorter length.
        runs = {"9": "[0-9]{1,40}+", "a": r"[^\W\d_]{1,40}+", " ": r"[ \t]{1,40}+"}
        pattern = "".join(runs.get(character, re.escape(character)) for character in self.shape)
        before = r"(?<!\w)" if self.shape[0] in "9a" else ""
        after = r"(?!\w)" if self.shape[-1] in "9a" else ""
        return re.compile(before + pattern + after)

    def read(self, text: str, found: re.Match[str], limit: int) -> tuple[int, int]:
        return found.span()


class LineFunction(Function, frozen=True):
    """The n-th line that is not blank, from the first `after` in it on."""

    kind: Literal["line"] = "line"
    number: int = Field(ge=1, le=MAX_LINE_NUMBER)
    after: str | None = Field(min_length=1)

    def spans(self, page: Page) -> Iterator[tuple[int, int]]:
        if self.number > len(page.lines):
            return
        start, end = page.lines[self.number - 1]
        end = min(end, start + MAX_VALUE)
        if self.after is None:
            yield start, end
        elif (at := page.text.find(self.after, start, end)) >= 0:
            yield at + len(self.after), end


AnyFunction = Annotated[
    LabelFunction | HeadingFunction | BetweenFunction | ShapeFunction | LineFunction,
    Field(discriminator="kind"),
]
_PARSER: TypeAdapter[AnyFunction] = TypeAdapter(AnyFunction)


def parse_function(spec: str) -> AnyFunction:
    """The function a JSON spec describes. ValueError (pydantic's) names the field that is wrong."""
    return _PARSER.validate_json(spec)


def shape_of(value: str) -> str:
    """The shape of a value, in the letters of ShapeFunction."""
    classes = (
        "9" if c in "0123456789" else "a" if c.isalpha() else " " if c.isspace() else c
        for c in value
    )
    return re.sub(r"([9a ])\1+", r"\1", "".join(classes))


def _reach(extent: LineExtent | BlockExtent, text: str, start: int, limit: int) -> int:
    found = _EXTENTS[extent].match(text, start, limit)
    return found.end() if found else start
