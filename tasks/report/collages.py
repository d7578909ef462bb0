"""Section on collages: what the claims come to, scores by method, and the pictures themselves."""

from __future__ import annotations

from data.lake.catalog import Catalog
from tasks.report.page import (
    NOTHING,
    Cell,
    Column,
    Html,
    Verdict,
    counted,
    figure,
    figures,
    note,
    number,
    short,
    table,
)
from tasks.report.pictures import picture
from tasks.report.reading import Block, Found, Row, Section, filled_by

_METRICS = ("iou", "found", "delta_e", "cosine", "real")
_HEADINGS = ("IoU", "found", "delta E", "cosine", "P(real)")
_LADDER = (
    "composite", "text only", "sdedit 0.2", "sdedit 0.4", "sdedit 0.6", "sdedit 0.8", "control",
    "layers 0.2", "layers 0.4", "layers 0.6", "layers 0.8", "words", "edges", "full", "compose",
)  # fmt: skip
_SHOWN = tuple(method for method in _LADDER if method not in ("sdedit 0.2", "layers 0.8"))
_MOST_COLLAGES = 4

_FINDINGS = "SELECT * FROM collage_findings ORDER BY finding"
_INTERVALS = "SELECT * FROM collage_intervals ORDER BY method, metric"
_PICTURES = """
SELECT source, collage, method, png FROM collage_images
QUALIFY seed = min(seed) OVER (PARTITION BY source, collage, method)
ORDER BY source = 'held-out', source, collage, method
"""
_LAYERS = """
SELECT source, collage, any_value(prompt) AS prompt FROM collages GROUP BY ALL
"""


def collage_findings(catalog: Catalog) -> Found | None:
    """Every claim with its interval and whether it holds."""
    found = catalog.rows(_FINDINGS)
    if not found:
        return None
    held = [row for row in found if row["holds"]]
    told = [
        Verdict(
            "ahead" if len(held) == len(found) else "level" if held else "behind",
            f"Collages: {len(held)} of {counted(len(found), 'claim')} of the paper hold for the "
            "small model.",
        )
    ]
    told += [
        Verdict(
            "ahead" if row["holds"] else "behind",
            f"{row['finding'][:1].upper()}{row['finding'][1:]}: "
            f"{_interval(row['value'], row, 3)}; asked was {number(row['bar'], 2)} "
            f"({row['detail']}).",
        )
        for row in found
    ]
    return Found(told, [])


def collage_intervals(catalog: Catalog) -> Found | None:
    """Means of the main metrics by method, best in bold."""
    found = catalog.rows(_INTERVALS)
    if not found:
        return None
    values = {(row["method"], row["metric"]): row for row in found}
    methods = [m for m in dict.fromkeys(row["method"] for row in found) if "one layer" not in m]
    methods.sort(key=lambda m: (_place(m), m))
    shown = [
        (metric, heading)
        for metric, heading in zip(_METRICS, _HEADINGS, strict=True)
        if any((method, metric) in values for method in methods)
    ]
    listing = [
        [method, *(_cell(values.get((method, metric))) for metric, _ in shown)]
        for method in methods
    ]
    columns = [Column("method"), *(Column(heading, True) for _, heading in shown)]
    one = found[0]
    caption = (
        f"Means over {counted(one['n_collages'], 'held-out collage')} and "
        f"{counted(one['n_seeds'], 'seed')}; in brackets the bootstrap's 95 % over collages. IoU "
        "and found: a segmenter sees each object where its layer lies (higher is better). Delta E: "
        "colour distance inside layers without the overall tint (lower). Cosine: ImageNet features "
        "of crops (higher). P(real): a judge of filmed against pasted (higher)."
    )
    return Found([], [table(columns, listing), note(caption)])


def collage_images(catalog: Catalog) -> Found | None:
    """Contact sheets: a few collages by every method that was run, first seed."""
    found = [row for row in catalog.rows(_PICTURES) if row["method"] in _SHOWN]
    if not found:
        return None
    words = {(row["source"], row["collage"]): row["prompt"] for row in catalog.rows(_LAYERS)}
    parts: list[Html] = []
    for name in list(dict.fromkeys((r["source"], r["collage"]) for r in found))[:_MOST_COLLAGES]:
        here = [row for row in found if (row["source"], row["collage"]) == name]
        here.sort(key=lambda row: _place(row["method"]))
        drawn = [figure(picture(row["png"], row["method"]), row["method"]) for row in here]
        parts.append(figures(*drawn, small=True))
        parts.append(note(f"{short(name[1], 60)}: {short(words.get(name, NOTHING))}"))
    return Found([], parts)


def _interval(value: float, row: Row, digits: int) -> str:
    low, high = (number(row[side], digits) for side in ("low", "high"))
    return f"{number(value, digits)} [{low}, {high}]"


def _cell(row: Row | None) -> Cell:
    return Cell(NOTHING if row is None else _interval(row["mean"], row, 2))


def _place(method: str) -> int:
    """Known methods from the least control to the most; others follow them."""
    return _LADDER.index(method) if method in _LADDER else len(_LADDER)


COLLAGES = Section(
    "Collages",
    "Collage Diffusion: layers with words composed into one picture, by ever more control.",
    [
        Block("collage_findings", collage_findings, filled_by("collage --profile standard")),
        Block("collage_intervals", collage_intervals, filled_by("collage --profile standard")),
        Block("collage_images", collage_images, filled_by("collage")),
    ],
)
