"""Rows and provenance for the report's sections, and how a section says that it has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from data.lake import LakeError
from data.lake.catalog import Catalog
from tasks.report.page import Html, Verdict, code, counted, element, join, note, verdicts

Row = dict[str, Any]


class Found(NamedTuple):
    """What a block shows: results in words (the first also opens the page), then the rest."""

    verdicts: Sequence[Verdict]
    parts: Sequence[Html]


class Block(NamedTuple):
    """One table's part of a section. body: None when the table has nothing to show."""

    table: str
    body: Callable[[Catalog], Found | None]
    empty: Html


class Section(NamedTuple):
    """A heading of the report with what stands under it."""

    title: str
    lead: object
    blocks: Sequence[Block]
    opens: bool = True  # whether its results are repeated at the top of the page

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-")


class Rendered(NamedTuple):
    """A section as markup, with the verdict that opens the page."""

    section: Section
    html: Html
    headlines: Sequence[Verdict]


def filled_by(*commands: str) -> Html:
    """The line of a block whose table is empty."""
    listed = [code(f"headwater run {command}") for command in commands]
    either = join(*(part for one in listed for part in (" or ", one)))[len(" or ") :]
    return note("No rows yet: ", Html(either), " fills this.")


def render(section: Section, catalog: Catalog) -> Rendered:
    """The section; a damaged table costs its own block and nothing else."""
    parts: list[Html] = []
    headlines: list[Verdict] = []
    for block in section.blocks:
        try:
            found = block.body(catalog)
        except LakeError:
            wrong = catalog.damage(block.table)
            if wrong is None:
                raise
            parts.append(element("p.damaged", wrong))
            continue
        if found is None:
            parts += [block.empty] if block.empty not in parts else []  # said once a section
            continue
        headlines += found.verdicts[: section.opens]
        told = [verdicts(found.verdicts)] if found.verdicts else []
        parts += [*told, *found.parts, _source(catalog, block.table)]
    heading = element("h2", section.title)
    lead = [element("p.lead", section.lead)] if section.lead else []
    html = element("section", heading, *lead, *parts, attributes={"id": section.anchor})
    return Rendered(section, html, headlines)


def _source(catalog: Catalog, table: str) -> Html:
    """Where the figures above come from, so that anyone can ask again."""
    commits = catalog.shown(table)
    if not commits:
        return Html("")
    last = commits[-1]
    which = f"snapshot {last.snapshot}" if len(commits) == 1 else counted(len(commits), "snapshot")
    total = counted(sum(c.rows for c in commits), "row")
    when = last.committed_at[:16].replace("T", " ")
    asked = code(f'headwater query "SELECT * FROM {table}"')
    return element("p.source", f"{table}, {which}, {total}, published {when} UTC: ", asked)
