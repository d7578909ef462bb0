"""Section to review extractions by: values in their context, the doubtful ones first."""

from __future__ import annotations

from collections.abc import Sequence

from data.lake.catalog import Catalog
from tasks.report.page import (
    Column,
    Html,
    clean,
    code,
    counted,
    element,
    folded,
    join,
    note,
    number,
    short,
    table,
)
from tasks.report.reading import Block, Found, Row, Section, filled_by

_CELLS = 24  # shown of a source: half of them the least certain, half a fair draw
_CONTEXT = 90  # characters on either side of a value
_LONGEST = 400  # characters of a value
_FUNCTIONS = 40  # cards of a source

_DOUBTFUL = f"""
WITH drawn AS (
  SELECT *, row_number() OVER (PARTITION BY source ORDER BY posterior, doc_id, attribute) AS doubt,
         row_number() OVER (PARTITION BY source ORDER BY md5(doc_id || attribute)) AS chance
  FROM extractions WHERE value IS NOT NULL
)
SELECT e.source, e.doc_id, e.attribute, e.value, e.posterior, len(e.functions) AS voters,
       e.doubt <= {_CELLS // 2} AS doubtful,
       substr(d.text, greatest(e."start" - {_CONTEXT}, 0) + 1, least(e."start", {_CONTEXT}))
         AS before,
       substr(d.text, e."start" + 1, least(e."end" - e."start", {_LONGEST})) AS inside,
       substr(d.text, e."end" + 1, {_CONTEXT}) AS after
FROM drawn AS e JOIN documents AS d ON d.source = e.source AND d.doc_id = e.doc_id
WHERE e.doubt <= {_CELLS // 2} OR e.chance <= {_CELLS // 2}
ORDER BY e.source, e.posterior, e.doc_id, e.attribute
"""
_FILLED = """
SELECT source, attribute, count(*) AS documents, count(value) AS filled,
       avg(posterior) FILTER (WHERE value IS NOT NULL) AS posterior
FROM extractions GROUP BY ALL ORDER BY ALL
"""
_CARDS = f"""
SELECT source, attribute, function_id, origin, score, coverage, accuracy, votes
FROM functions WHERE kept
QUALIFY row_number() OVER (PARTITION BY source ORDER BY attribute, rank) <= {_FUNCTIONS}
ORDER BY source, attribute, rank
"""


def extractions(catalog: Catalog) -> Found | None:
    """Every source's columns, its doubtful cells in context, and the functions behind them."""
    filled = catalog.rows(_FILLED)
    if not filled:
        return None
    cells, cards = catalog.rows(_DOUBTFUL), catalog.rows(_CARDS)
    parts: list[Html] = []
    for source in dict.fromkeys(row["source"] for row in filled):
        of_source = [row for row in filled if row["source"] == source]
        shown = [row for row in cells if row["source"] == source]
        parts += [
            element("h3", short(source)),
            _columns(of_source),
            folded(
                f"{counted(len(shown), 'cell')} of {short(source)} in context, least certain first",
                element("ol.review", *map(_cell, shown)),
            ),
            folded(
                f"Functions that vote in {short(source)}",
                _functions([row for row in cards if row["source"] == source]),
            ),
        ]
    command = code("headwater show DOC:ATTRIBUTE")
    parts.append(note("Any cell in its whole context: ", command, "."))
    return Found([], parts)


def _columns(found: Sequence[Row]) -> Html:
    columns = [
        Column("attribute"),
        *(Column(c, True) for c in ("documents", "filled", "posterior")),
    ]
    rows = [
        [
            row["attribute"],
            f"{row['documents']:,}",
            f"{row['filled'] / row['documents']:.0%}",
            number(row["posterior"]),
        ]
        for row in found
    ]
    return table(columns, rows)


def _cell(row: Row) -> Html:
    """The value as it stands in the text; what is written otherwise is told beside it."""
    head = join(
        element("b", short(row["attribute"], 60)),
        " ",
        element("span.where", short(row["doc_id"], 60)),
        f" posterior {number(row['posterior'])}, {counted(row['voters'], 'function')}",
    )
    inside = clean(row["inside"])
    context = element("q.context", row["before"], element("mark", inside), row["after"])
    same = " ".join(inside.split()) == " ".join(clean(row["value"]).split())
    written = Html("") if same else element("p", "read as: ", code(short(row["value"], _LONGEST)))
    return element("li", element("p", head), element("p", context), written)


def _functions(found: Sequence[Row]) -> Html:
    columns = [Column("attribute"), Column("function"), Column("made by")]
    columns += [Column(c, True) for c in ("Text F1", "coverage", "accuracy", "votes")]
    rows = [
        [
            row["attribute"],
            row["function_id"],
            row["origin"],
            *(number(row[name]) for name in ("score", "coverage", "accuracy")),
            row["votes"],
        ]
        for row in found
    ]
    return table(columns, rows)


REVIEW = Section(
    "Review",
    "Extracted values where they stand in their documents.",
    [Block("extractions", extractions, filled_by("evaporate", "lab"))],
    opens=False,
)
