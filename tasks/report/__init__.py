"""One self-contained HTML file about what ran and what it scored, read from the lake's tables.

It loads nothing and runs no script; its colours follow the reader's light or dark setting. The
same lake gives the same bytes: no clock and no chance enters.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from data.lake import Lake, LakeError
from data.lake.catalog import Catalog
from tasks.report.collages import COLLAGES
from tasks.report.comparison import COMPARISON
from tasks.report.few_shot import FEW_SHOT
from tasks.report.forecasting import FORECASTING
from tasks.report.house import LAST_RUN, LINEAGE, QUALITY, catalogue
from tasks.report.leaderboard import LEADERBOARD
from tasks.report.offloading import OFFLOADING
from tasks.report.operators import OPERATORS
from tasks.report.page import Html, Verdict, code, counted, element, join, note, verdicts
from tasks.report.reading import Rendered, render
from tasks.report.review import REVIEW
from tasks.report.scores import EXTRACTION
from tasks.report.sequences import SEQUENCES

_SECTIONS = (
    LAST_RUN,
    EXTRACTION,
    REVIEW,
    FEW_SHOT,
    FORECASTING,
    OPERATORS,
    SEQUENCES,
    OFFLOADING,
    COLLAGES,
    COMPARISON,
    LEADERBOARD,
    LINEAGE,
    QUALITY,
)
_STYLE = Path(__file__).with_name("report.css")
# Whatever a table holds, the page can load nothing and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(lake: Lake, path: Path) -> None:
    """Writes the report of `lake` to `path`: the whole file or, on any failure, none of it.

    A damaged table costs its own part of the page only. Raises LakeError when the lake's records
    cannot be read or `path` cannot be written.
    """
    page = _page(Catalog(lake))
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(page, "utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise LakeError(f"cannot write the report to {path}: {error.strerror}") from error


def _page(catalog: Catalog) -> str:
    rendered = [render(section, catalog) for section in _SECTIONS]
    tables = element(
        "section",
        element("h2", "Tables"),
        element(
            "p.lead",
            "Everything in the lake; ",
            code("headwater describe TABLE"),
            " lists columns.",
        ),
        catalogue(catalog),
        attributes={"id": "tables"},
    )
    body = element(
        "body",
        element("header", element("h1", "Headwater report"), note(_summary(catalog))),
        _navigation(rendered),
        element("main", _headlines(rendered), *(one.html for one in rendered), tables),
        element(
            "footer", note("Every figure here is the answer to a query over the lake's tables.")
        ),
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark"><title>Headwater report</title>'
        f"<style>{_STYLE.read_text('utf-8')}</style>"
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n{body}</html>\n'


def _summary(catalog: Catalog) -> str:
    commits = {name: catalog.shown(name) for name in catalog.names()}
    filled = [shown for shown in commits.values() if shown]
    if not filled:
        return "The lake has no tables yet."
    total = sum(commit.rows for shown in filled for commit in shown)
    newest = max(commit.committed_at for shown in filled for commit in shown)
    when = newest[:16].replace("T", " ")
    return f"{counted(len(filled), 'table')}, {counted(total, 'row')}, last published {when} UTC."


def _navigation(rendered: Sequence[Rendered]) -> Html:
    names = [(one.section.anchor, one.section.title) for one in rendered] + [("tables", "Tables")]
    links = (element("a", title, attributes={"href": f"#{anchor}"}) for anchor, title in names)
    return element("nav", *links, attributes={"aria-label": "Sections"})


def _headlines(rendered: Sequence[Rendered]) -> Html:
    """The first result of every block, each with a link to where it stands."""
    found = [
        Verdict(kind, join(words, " ", _more(one.section.anchor)))
        for one in rendered
        for kind, words in one.headlines
    ]
    if not found:
        return Html("")
    signs = "▲ ahead of the best baseline, ● level with it, ▼ behind it."
    return element(
        "section.short", element("h2", "In short"), verdicts(found), note(signs),
        attributes={"id": "in-short"},
    )  # fmt: skip


def _more(anchor: str) -> Html:
    return element("a", "more", attributes={"href": f"#{anchor}"})
