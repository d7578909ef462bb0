"""The pieces of the page: escaped elements, tables, figures, verdicts. Knows no lake, no plot."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

NOTHING = "\u2013"  # an en dash
_LONGEST = 160  # characters of a table's text cell
# Characters that would change what a reader sees without being seen, or that no file can hold.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SIGNS = {"ahead": "▲", "level": "●", "behind": "▼"}


class Html(str):
    """Markup that goes into the page as it is; every other string is escaped on its way."""

    __slots__ = ()


class Cell(NamedTuple):
    """A table cell with more than text: its classes and an inline style."""

    content: object
    classes: str = ""
    style: str = ""


class Column(NamedTuple):
    """A table's column: its heading, and whether it holds numbers (then it is set flush right)."""

    heading: object
    numeric: bool = False


class Verdict(NamedTuple):
    """A result in words. kind: ahead of, level with or behind the best baseline."""

    kind: str
    words: object


def clean(value: object) -> str:
    """Text without unseen characters; they become U+FFFD."""
    return _UNSEEN.sub("\ufffd", str(value))


def element(tag: str, *children: object, attributes: Mapping[str, object] | None = None) -> Html:
    """One element; `tag` may carry classes as in "p.note"; what is not Html is escaped."""
    name, *classes = tag.split(".")
    given = {"class": " ".join(classes)} if classes else {}
    pairs = "".join(
        f' {key}="{html.escape(clean(value))}"'
        for key, value in {**given, **(attributes or {})}.items()
    )
    return Html(f"<{name}{pairs}>{join(*children)}</{name}>")


def join(*children: object) -> Html:
    """Children one after the other; those that are not Html are escaped."""
    return Html(
        "".join(c if isinstance(c, Html) else html.escape(clean(c), quote=False) for c in children)
    )


def number(value: float | None, digits: int = 3) -> str:
    """A fixed number of decimals, thousands separated; a dash for null and NaN."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}"


def error_size(value: float | None) -> str:
    """Three digits that count below 1, where decimals could hide them; three decimals above."""
    if value is None or not math.isfinite(value) or value == 0 or abs(value) >= 1:
        return number(value)
    return f"{value:#.3g}"


def seconds(value: float | None) -> str:
    """A duration a reader can feel: 0.42 s, 12.3 s, 3 min 20 s, 2 h 05 min."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 100:
        return f"{value:.2g} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M")


def counted(n: int, one: str, several: str | None = None) -> str:
    """As in "1 row" and "2 rows"; `several` is the plural where an s is not enough."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def short(value: object, longest: int = _LONGEST) -> str:
    text = " ".join(clean(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def code(text: object) -> Html:
    return element("code", text)


def note(*children: object) -> Html:
    return element("p.note", *children)


def verdicts(found: Sequence[Verdict]) -> Html:
    """Results in words, one a line, with a sign that does not rest on colour alone."""
    items = [
        element(f"li.{kind}", element("span.sign", _SIGNS[kind]), element("span", words))
        for kind, words in found
    ]
    return element("ul.verdicts", *items)


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], classes: Collection[str] = ()
) -> Html:
    """Rows under headings; the first column names the row. Wide tables scroll in their own box."""
    head = element("tr", *(_heading(c) for c in columns))
    body = [
        element(
            "tr",
            *(
                _cell(c, value, i == 0)
                for i, (c, value) in enumerate(zip(columns, row, strict=True))
            ),
        )
        for row in rows
    ]
    inner = element(".".join(["table", *classes]), element("thead", head), element("tbody", *body))
    return element("div.scroll", inner, attributes={"tabindex": 0})


def figure(drawing: Html, title: object, caption: object = "") -> Html:
    """A drawing with its title above and, where there is one, its caption below."""
    parts = [element("figcaption", element("strong", title)), drawing]
    return element("figure", *parts, *([note(caption)] if caption else []))


def figures(*drawn: Html, small: bool = False) -> Html:
    """Side by side where there is room, one below the other where there is not."""
    return element("div.figures.small" if small else "div.figures", *drawn)


def folded(summary: object, *children: object) -> Html:
    return element("details", element("summary", summary), *children)


def _heading(column: Column) -> Html:
    scope = {"scope": "col"}
    return element("th.n" if column.numeric else "th", column.heading, attributes=scope)


def _cell(column: Column, value: object, names_row: bool) -> Html:
    cell = value if isinstance(value, Cell) else Cell(value)
    classes = " ".join(filter(None, ("n" if column.numeric else "", cell.classes)))
    attributes = {"class": classes, "style": cell.style, "scope": "row" if names_row else ""}
    content = cell.content if isinstance(cell.content, Html) else short(cell.content)
    kept = {key: value for key, value in attributes.items() if value}
    return element("th" if names_row else "td", content, attributes=kept)
