"""A document as functions see it: readable text, its labels and table columns, worked out once.

Functions of one document share its `Page`, so that the text is cleaned and cut into lines once, and
a function that goes by a label is a dictionary look-up. All work is linear in the document's length
whatever it holds.

The text may differ from the source: formulas that text recognition wrote as LaTeX are undone, HTML
is reduced to its text. Every character of it is traced to its place in the source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Literal, NamedTuple

from models.evaporate.markup import Node, is_html, undo_latex, weave_html

MAX_LINE_NUMBER = 20
MAX_LABEL = 80  # characters
MAX_LEADS = 20_000  # labels indexed in one document
MAX_VALUE = 65_536  # characters a value may have

Extent = Literal["line", "folded", "paragraph", "lead", "section"]
"""How far a value goes from its label: the line; the line and indented ones below (RFC 822); to an
empty line; to the next label of any kind; to the next heading."""

Span = tuple[int, int]

_EMPTY_LINE = re.compile(r"\n[ \t]*\r?\n")
_LINE = re.compile(r"\S[^\n]*")
_BLANK_OR_RULE = re.compile(r"(?:[ \t\r=~^*#-]*\n){0,6}[ \t]*")
_EXTENTS = {
    "line": re.compile(r"[^\n]*"),
    # The header rule of RFC 822: an indented line continues the one above it.
    "folded": re.compile(r"[^\n]*(?:\n[ \t][^\n]*)*"),
    "paragraph": re.compile(r"[^\n]*(?:\n[^\S\n]*\S[^\n]*)*"),
}
_LEAD = re.compile(
    r"[ \t]*(?P<hashes>\#{1,6}[ \t]*)?[*_]{0,3}"
    r"(?P<number>(?:[A-Za-z]|[0-9]{1,2}|[IVXivx]{1,5})(?:[.)]|(?<=[A-Z])[ ])[ \t]*)?"
    r"(?P<label>[^\n:=|\t<>]{1,80}+)"
    r"(?P<separator>[:=|\t][*_]{0,3}|(?=\r?\n|\Z))"
)
_TABLE_TAG = re.compile(r"<(/?)(table|tr|td|th)\b[^<>]{0,300}>", re.IGNORECASE)
# Known elements only: "<ada@example.org>" is part of a value.
_TAG = re.compile(
    r"</?(?:table|thead|tbody|tr|td|th|br|p|div|span|b|i|u|em|strong|sup|sub|ul|ol|li|a|font)\b"
    r"(?![@.:])[^<>]{0,300}>",
    re.IGNORECASE,
)
_PLURAL = re.compile(r"\(s\)|(?<=[a-z]{3})(?<!s)s\b")
_NOT_WORD = re.compile(r"[\W_]+")


class Lead(NamedTuple):
    """A label and where it stands.

    key: the label without case, punctuation, spaces and plural endings.
    rank: 0 a label in running lines, 1 a bare heading, 2 a numbered or marked one with a colon.
    """

    key: str
    start: int
    body: int
    rank: int


def key_of(label: str) -> str:
    """What labels are compared by: "Predicate device name(s)" and "Predicate Device Name" agree."""
    return _NOT_WORD.sub("", _PLURAL.sub("", label.lower()))


def without_tags(text: str) -> str:
    """The text with tags taken out and runs of white space made one space."""
    return " ".join((_TAG.sub(" ", text) if "<" in text else text).split())


class Page:
    """A document and what all functions need to know of it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.nodes: list[Node] = []
        if is_html(source):
            woven, self.nodes = weave_html(source)
        else:
            woven = undo_latex(source)
        self.text = woven.text
        self._starts, self._sources = woven.starts, woven.sources

    def to_source(self, start: int, end: int) -> Span:
        """Where a stretch of `text` stands in `source`."""
        if not self._starts:
            return start, end
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, max(start, end - 1)) - 1
        begin = self._sources[first][0]
        stop = self._sources[last][1]
        if self._verbatim(first):
            begin += start - self._starts[first]
        if self._verbatim(last):
            stop = self._sources[last][0] + end - self._starts[last]
        return begin, stop

    def _verbatim(self, piece: int) -> bool:
        """Whether a piece of the text reads as its source does; a formula counts as a whole."""
        after = self._starts[piece + 1] if piece + 1 < len(self._starts) else len(self.text)
        begin, stop = self._sources[piece]
        return after - self._starts[piece] == stop - begin

    @cached_property
    def head_end(self) -> int:
        """Where the first block of lines ends: at the first line without any character."""
        first = re.search(r"\S", self.text)
        empty = _EMPTY_LINE.search(self.text, first.start() if first else 0)
        return empty.start() if empty else len(self.text)

    @cached_property
    def lines(self) -> list[Span]:
        """Start and end of the first MAX_LINE_NUMBER lines that are not blank, indents left out."""
        return [m.span() for m in islice(_LINE.finditer(self.text), MAX_LINE_NUMBER)]

    @cached_property
    def leads(self) -> list[Lead]:
        """The labels of the document, in order."""
        found = self._node_leads() if self.nodes else self._line_leads()
        return list(islice(found, MAX_LEADS))

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Positions in `leads` by key."""
        places: dict[str, list[int]] = {}
        for position, lead in enumerate(self.leads):
            places.setdefault(lead.key, []).append(position)
        return places

    @cached_property
    def columns(self) -> dict[str, list[Span]]:
        """Cells below each header cell of the document's HTML tables, by the header's key."""
        columns: dict[str, list[Span]] = {}
        header: list[str] = []
        for number, cells in self._rows():
            keys = [key_of(without_tags(self.text[start:end])) for start, end in cells]
            if number == 0:
                header = keys
            elif keys != header:  # headers are repeated where a table goes on
                for name, cell in zip(header, cells, strict=False):
                    if name:
                        columns.setdefault(name, []).append(cell)
        return columns

    @cached_property
    def paths(self) -> dict[str, list[Span]]:
        """Spans of the text of an HTML page's elements, by path."""
        paths: dict[str, list[Span]] = {}
        for node in self.nodes:
            paths.setdefault(node.path, []).append((node.start, node.end))
        return paths

    def block(self, position: int, extent: Extent) -> Span:
        """What belongs to the label at this place in `leads`, as a span of `text`."""
        text, lead = self.text, self.leads[position]
        limit = min(len(text), lead.body + MAX_VALUE)
        if self.nodes and extent in {"line", "folded", "paragraph"}:
            return self._node_after(lead, limit)
        skipped = _BLANK_OR_RULE.match(text, lead.body, limit)
        start = skipped.end() if skipped and extent != "folded" else lead.body
        if extent in _EXTENTS:
            if extent != "paragraph" and lead.rank == 0:
                start = lead.body
            found = _EXTENTS[extent].match(text, start, limit)
            return start, found.end() if found else start
        least = 0 if extent == "lead" else 1
        end = limit
        for following in islice(self.leads, position + 1, None):
            if following.start >= limit:
                break
            # A heading right below a label, with nothing between them, is its value.
            if following.rank >= least and (
                following.rank == 2 or text[start : following.start].strip(" \t\r\n#")
            ):
                end = following.start
                break
        table = text.find("<table", start, end)
        if table >= 0 and text[start:table].strip():
            end = table
        return start, end

    def _line_leads(self) -> Iterator[Lead]:
        text, at = self.text, 0
        while at < len(text):
            line_end = text.find("\n", at)
            line_end = len(text) if line_end < 0 else line_end
            found = _LEAD.match(text, at)
            if found and (lead := self._lead(found, line_end)):
                yield lead
            at = line_end + 1

    def _lead(self, found: re.Match[str], line_end: int) -> Lead | None:
        hashes, number, label, separator = found.groups()
        key = key_of(label)
        if not key:
            return None
        marked = bool(hashes or number)
        if separator:
            return Lead(key, found.start(), found.end(), 2 if marked and ":" in separator else 0)
        if hashes:
            return Lead(key, found.start(), line_end, 1)
        if number:
            return Lead(key, found.start(), line_end, 0)
        below = self.text[line_end + 1 : line_end + 4]
        if below in {"===", "---", "~~~", "***", "^^^"}:
            return Lead(key, found.start(), line_end, 1)
        return None

    def _node_leads(self) -> Iterator[Lead]:
        for node in self.nodes:
            if node.end - node.start <= MAX_LABEL and (
                key := key_of(self.text[node.start : node.end])
            ):
                yield Lead(key, node.start, node.end, 1 if node.heading else 0)

    def _node_after(self, lead: Lead, limit: int) -> Span:
        index = bisect_right(self.nodes, lead.body, key=lambda node: node.start)
        if index == len(self.nodes):
            return lead.body, lead.body
        return self.nodes[index].start, min(limit, self.nodes[index].end)

    def _rows(self) -> Iterator[tuple[int, list[Span]]]:
        """Rows of all tables: number within its table, and the spans of its cells."""
        number, cells, open_at = -1, list[Span](), -1
        for tag in _TABLE_TAG.finditer(self.text) if not self.nodes else ():
            closing, name = tag[1], tag[2].lower()
            if open_at >= 0:
                cells.append((open_at, tag.start()))
                open_at = -1
            if name in {"table", "tr"} and cells:
                number += 1
                yield number, cells
                cells = []
            if name == "table":
                number = -1
            elif name in {"td", "th"} and not closing:
                open_at = tag.end()
