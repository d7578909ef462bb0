"""From source to readable text: LaTeX bits undone, HTML reduced to its text nodes.

Both keep account of where every piece of the text stands in the source.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

MAX_DEPTH = 64  # open elements that are told apart

_HTML = re.compile(r"\s*(?:<\?xml[^<>]{0,200}>\s*)?(?:<!--|<!doctype html|<html|<head|<body)", re.I)
_MATH = re.compile(r"[ \t]?\$[^$\n]{1,400}\$")
_COMMAND = re.compile(r"\\\s?(?:([A-Za-z]+)|(.))")
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu pi rho sigma tau phi chi psi "
    "omega Gamma Delta Theta Lambda Pi Sigma Phi Psi Omega"
).split()
_NAMED = {
    **{
        name: unicodedata.lookup(
            f"GREEK {'SMALL' if name.islower() else 'CAPITAL'} LETTER "
            f"{'LAMDA' if name.lower() == 'lambda' else name.upper()}"
        )
        for name in _GREEK
    },
    "pm": "±", "times": "\u00d7", "cdot": "·", "circ": "°", "leq": "≤", "le": "≤",
    "geq": "≥", "ge": "≥",
    "approx": "≈", "S": "§ ", "textregistered": "®", "circledR": "®",
    "texttrademark": "™", "copyright": "©", "bullet": "•", "prime": "\u2032", "quad": " ",
    "qquad": " ", "dots": "…", "ldots": "…", "rightarrow": "→", "to": "→",
}  # fmt: skip
_RAISED = re.compile(
    r"\$\s*(?:\{\s*\}\s*)?(?:\^|\\textsuperscript|\\textregistered|\\texttrademark)"
)
_MARKS = re.compile(r"[\\^_{}]")
_SPACE = "\0"  # a space that is meant, while others are dropped
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>|<!--|<[!?][^<>]*>")
_NAME = re.compile(r"\b(class|id|itemprop|data-field)\s*=\s*[\"']?([\w-]+)", re.I)
_ENTITY = re.compile(r"&(?:#?\w{1,32});")
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_INLINE = frozenset("a abbr b big code em font i kbd mark q s small strong sub sup tt u".split())
_HIDDEN = frozenset({"script", "style", "svg", "noscript", "template"})
_HEADING = re.compile(r"h[1-6]|dt|th")


class Node(NamedTuple):
    """A stretch of text of one element: its place in the text, and its path, "dl>dd.capital"."""

    path: str
    start: int
    end: int
    heading: bool


class Woven(NamedTuple):
    """A text and its origin: piece i starts at starts[i] and comes from source[a:b], sources[i].

    Without pieces, text and source are the same.
    """

    text: str
    starts: list[int]
    sources: list[tuple[int, int]]


def is_html(source: str) -> bool:
    """Whether a document is an HTML page (not: a text that holds some tags)."""
    return bool(_HTML.match(source))


def undo_latex(source: str) -> Woven:
    r"""The text with formulas such as "$\mu$" or "$\ S 8 6 6 . 5 6 3 0$" as plain characters."""
    if "$" not in source:
        return Woven(source, [], [])
    weaver = _Weaver(source)
    at = 0
    for formula in _MATH.finditer(source):
        weaver.add(source[at : formula.start()], at, formula.start())
        weaver.add(_undone(formula[0]), *formula.span())
        at = formula.end()
    weaver.add(source[at:], at, len(source))
    return weaver.woven()


def _undone(formula: str) -> str:
    bare = formula.lstrip()
    body = bare[1:-1]
    if not _MARKS.search(body):
        return formula  # two amounts of money, not a formula
    # "UniCel $^ \\mathrm { \\textregistered }$": what is raised sticks to the word before it.
    lead = "" if _RAISED.match(bare) else formula[: len(formula) - len(bare)]
    kept = _COMMAND.sub(_character, body).replace("~", _SPACE)
    return lead + "".join(_MARKS.sub("", kept).split()).replace(_SPACE, " ")


def _character(found: re.Match[str]) -> str:
    name, sign = found.groups()
    if name is None:
        return _SPACE if sign in ":;,! " else sign
    return _NAMED.get(name, "").replace(" ", _SPACE)


class _Weaver:
    """Collects pieces of text with their places in the source."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.pieces: list[str] = []
        self.starts: list[int] = []
        self.sources: list[tuple[int, int]] = []
        self.length = 0

    def add(self, piece: str, start: int, end: int) -> None:
        """Appends what source[start:end] reads as."""
        if piece:
            self.pieces.append(piece)
            self.starts.append(self.length)
            self.sources.append((start, end))
            self.length += len(piece)

    def add_decoded(self, start: int, end: int) -> None:
        """Appends source[start:end] with its entities decoded, each a piece of its own."""
        at = start
        for entity in _ENTITY.finditer(self.source, start, end):
            self.add(self.source[at : entity.start()], at, entity.start())
            self.add(html.unescape(entity[0]), *entity.span())
            at = entity.end()
        self.add(self.source[at:end], at, end)

    def woven(self) -> Woven:
        return Woven("".join(self.pieces), self.starts, self.sources)


def weave_html(source: str) -> tuple[Woven, list[Node]]:
    """The text of a page, a line for every element with text of its own, and those elements.

    A path names the innermost two elements with their class, id or itemprop. Text within inline
    elements without such a name belongs to the element around them. Unclosed and stray tags do no
    harm: a closing tag closes the nearest open element of its name.
    """
    weaver = _Weaver(source)
    nodes: list[Node] = []
    stack: list[tuple[str, str]] = []  # element, name with class
    began = 0

    def flush(at: int) -> None:
        nonlocal began
        text = "".join(weaver.pieces[flushed_pieces[0] :])
        flushed_pieces[0] = len(weaver.pieces)
        bare = text.strip()
        if bare:
            start = began + len(text) - len(text.lstrip())
            path = ">".join(name for _, name in stack[-2:])
            heading = any(_HEADING.fullmatch(element) for element, _ in stack[-2:])
            nodes.append(Node(path, start, start + len(bare), heading))
            weaver.add("\n", at, at)
            flushed_pieces[0] = len(weaver.pieces)
        began = weaver.length

    flushed_pieces = [0]
    for kind, tag, start, end in _events(source):
        if kind == "text":
            weaver.add_decoded(start, end)
            continue
        element, attributes = tag
        named = _NAME.search(attributes)
        if element in _INLINE and not named and kind == "open":
            continue
        if kind == "close":
            depth = next((i for i in range(len(stack) - 1, -1, -1) if stack[i][0] == element), -1)
            if depth >= 0:
                flush(start)
                del stack[depth:]
            continue
        flush(start)
        if element not in _VOID and len(stack) < MAX_DEPTH:
            stack.append((element, f"{element}.{named[2]}" if named else element))
    flush(len(source))
    return weaver.woven(), nodes


def _events(source: str) -> Iterator[tuple[str, tuple[str, str], int, int]]:
    """Text, opening and closing tags in order; comments, declarations and scripts left out."""
    at = 0
    while at < len(source):
        tag = _TAG.search(source, at)
        if tag is None:
            break
        if tag.start() > at:
            yield "text", ("", ""), at, tag.start()
        at = tag.end()
        if tag[0] == "<!--":
            close = source.find("-->", at)
            at = len(source) if close < 0 else close + 3
        elif tag[2]:
            element = tag[2].lower()
            yield "close" if tag[1] else "open", (element, tag[3]), tag.start(), tag.end()
            if element in _HIDDEN and not tag[1] and not tag[3].endswith("/"):
                # Case matters little here: pages write script tags in lower case.
                close = source.find(f"</{element}", at)
                at = len(source) if close < 0 else close
    if at < len(source):
        yield "text", ("", ""), at, len(source)
