"""Section on extraction: every score beside its baselines; how a difference is put in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.lake.catalog import Catalog
from tasks.report.page import (
    Cell,
    Column,
    Html,
    Verdict,
    counted,
    folded,
    note,
    number,
    short,
    table,
)
from tasks.report.reading import Block, Found, Row, Section, filled_by

_VOTE = "CODE+"
_POOLED = (_VOTE, "all")
VISIBLE = 5e-4  # a difference that shows with the three decimals printed
_METRICS = {
    "text_f1": "Text F1",
    "exact_match": "Exact match",
    "pair_f1": "Pair F1",
    "pair_precision": "Pair precision",
    "pair_recall": "Pair recall",
}
_SCOPES = {"held-out": "", "read directly": ", where a model read directly"}


def extraction_scores(catalog: Catalog) -> Found | None:
    """A heat table of Text F1 for every source; the other metrics folded away."""
    found = catalog.rows(
        "SELECT * FROM extraction_scores ORDER BY source, scope, attribute, strategy"
    )
    if not found:
        return None
    told, parts = [], []
    for source, scope in dict.fromkeys((row["source"], row["scope"]) for row in found):
        here = [row for row in found if (row["source"], row["scope"]) == (source, scope)]
        told += _extraction_verdict(source, scope, here)
        strategies = sorted(distinct(here, "strategy"), key=lambda name: name != _VOTE)
        tables = {
            metric: _heat(here, metric, strategies)
            for metric in _METRICS
            if any(row["metric"] == metric for row in here)
        }
        first = next(iter(tables))
        scored = ", ".join(sorted({f"{row['n']:,}" for row in here}))
        parts += [
            tables[first],
            note(
                f"{_METRICS[first]} on {short(source)}, 0 to 1, higher is better; {scored} "
                f"documents that were not examples{_SCOPES[scope]}. Best of a row in bold; macro: "
                "mean over the attributes; all: their facts pooled." + _wrong_and_empty(here)
            ),
            *(
                folded(f"{_METRICS[m]} of {short(source)}{_SCOPES[scope]}", t)
                for m, t in tables.items()
                if m != first
            ),
        ]
    return Found(told, parts)


def _wrong_and_empty(found: Sequence[Row]) -> str:
    """A cell left empty says that nothing is known, a wrong one says something false."""
    shares = {r["metric"]: r["value"] for r in found if (r["strategy"], r["attribute"]) == _POOLED}
    if not {"wrong", "empty"} <= shares.keys():
        return ""
    return (
        f" {_VOTE} fills {shares['wrong']:.1%} of the cells wrongly and leaves "
        f"{shares['empty']:.1%} empty that have a value."
    )


def _heat(found: Sequence[Row], metric: str, strategies: Sequence[Any]) -> Html:
    """Attributes by strategies, darker is better, pooled and mean rows last."""
    cells = {(r["attribute"], r["strategy"]): r["value"] for r in found if r["metric"] == metric}
    names = sorted({name for name, _ in cells}, key=lambda name: (name in ("macro", "all"), name))
    body = []
    for name in names:
        values = {s: cells.get((name, s)) for s in strategies}
        known = [value for value in values.values() if value is not None]
        body.append([
            name,
            *(
                Cell(
                    number(value),
                    "heat best" if value is not None and max(known) - value < VISIBLE else "heat",
                    f"--v:{max(0.0, min(1.0, value or 0.0)):.3f}",
                )
                for value in values.values()
            ),
        ])  # fmt: skip
    return table(
        [Column(_METRICS[metric]), *(Column(short(s, 40), True) for s in strategies)], body
    )


def _extraction_verdict(source: str, scope: str, found: Sequence[Row]) -> list[Verdict]:
    metrics = {
        (r["strategy"], r["attribute"]): r["value"] for r in found if r["metric"] == "text_f1"
    }
    macro = {s: value for (s, attribute), value in metrics.items() if attribute == "macro"}
    ours, rivals = macro.get(_VOTE), {s: v for s, v in macro.items() if s != _VOTE}
    if ours is None or not rivals:
        return []
    best = max(sorted(rivals), key=lambda name: rivals[name])
    pairs = [
        value - metrics[best, a]
        for (s, a), value in metrics.items()
        if s == _VOTE and a not in ("macro", "all") and (best, a) in metrics
    ]
    words = (
        f"Extraction from {short(source)}{_SCOPES[scope]}: macro Text F1 of CODE+ is "
        f"{number(ours)}, {against(ours - rivals[best])} the best baseline, {short(best)} "
        f"({number(rivals[best])}); {tally(pairs, 'attribute')}."
    )
    return [Verdict(kind(ours - rivals[best]), words)]


def distinct(found: Sequence[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in found))


def kind(difference: float, visible: float = VISIBLE) -> str:
    return "level" if abs(difference) < visible else ("ahead" if difference > 0 else "behind")


def against(difference: float) -> str:
    return {"ahead": "ahead of", "level": "level with", "behind": "behind"}[kind(difference)]


def tally(differences: Sequence[float], thing: str, visible: float = VISIBLE) -> str:
    """ "it is ahead on 2, level on 1 and behind on 3 of 6 attributes"."""
    kinds = [kind(each, visible) for each in differences]
    a, b, c = (kinds.count(kind) for kind in ("ahead", "level", "behind"))
    return f"it is ahead on {a}, level on {b} and behind on {c} of {counted(len(kinds), thing)}"


EXTRACTION = Section(
    "Extraction",
    "EVAPORATE: functions induced from a few labelled documents extract from all, by vote.",
    [Block("extraction_scores", extraction_scores, filled_by("evaporate", "lab"))],
)
