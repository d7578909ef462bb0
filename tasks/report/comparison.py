"""Section on HELM's aggregation: mean win rates with their intervals, and the cells behind them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite

from data.lake.catalog import Catalog
from tasks.report.page import (
    Cell,
    Column,
    Html,
    Verdict,
    counted,
    element,
    error_size,
    folded,
    note,
    number,
    short,
    table,
)
from tasks.report.reading import Block, Found, Row, Section, filled_by

_OURS = ("CODE+", "tart", "spacetime")
_SHOWN_COLUMNS = 80
_GROUPS = '"group", table_name'


def win_rates(catalog: Catalog) -> Found | None:
    """Horizontal bars with 95 % intervals, one table for every group and family of metrics."""
    found = catalog.rows(
        f"SELECT * FROM helm_win_rates WHERE suite = 'headwater' ORDER BY suite, {_GROUPS}, "
        'mean_win_rate DESC NULLS LAST, "row"',
    )
    if not found:
        return None
    told, parts = [], []
    for (_, group, family), members in groupby(found, key=_key):
        here = list(members)
        told += _verdict(group, family, here)
        columns = [
            Column(f"{short(group, 60)}, {short(family, 60)}"),
            Column("mean win rate, 0 to 1"),
        ]
        columns += [Column(c, True) for c in ("rate", "95 % interval", "columns")]
        body = [
            [
                Cell(row["row"], "ours" if row["row"] in _OURS else ""), Cell(bar(row), "bar"),
                number(row["mean_win_rate"], 2),
                f"{number(row['low'], 2)} to {number(row['high'], 2)}", row["n_columns"],
            ]
            for row in here
        ]  # fmt: skip
        parts.append(table(columns, body, classes=["wins"]))
    parts.append(note(
        "Mean over columns of the share of other methods beaten, ties count half; lines: 95 % "
        "bootstrap interval over columns. The columns of a table share data, so the intervals "
        "are too narrow as statements about new data. A rate says how often a method wins, not "
        "by how much."
    ))  # fmt: skip
    return Found(told, parts)


def _key(row: Row) -> tuple[str, str, str]:
    return row["suite"], row["group"], row["table_name"]


def bar(row: Row) -> Html:
    """A mean win rate as a bar with its interval and a mark at one half."""
    rate = row["mean_win_rate"]
    if rate is None:
        return Html("")
    shapes = [element(
        "rect.ours" if row["row"] in _OURS else "rect",
        attributes={"x": 0, "y": 3, "width": f"{100 * rate:.2f}", "height": 10},
    )]  # fmt: skip
    if row["low"] is not None and row["high"] is not None:
        low, high = 100 * row["low"], 100 * row["high"]
        ends = f"M{low:.2f} 8H{high:.2f}M{low:.2f} 5V11M{high:.2f} 5V11"
        shapes.append(element("path", attributes={"d": ends}))
    half = element("path.half", attributes={"d": "M50 0V16"})
    says = f"mean win rate {number(rate, 2)}"
    box = {
        "viewBox": "0 0 100 16",
        "preserveAspectRatio": "none",
        "role": "img",
        "aria-label": says,
    }
    return element("svg", half, *shapes, attributes=box)


def _verdict(group: str, family: str, found: Sequence[Row]) -> list[Verdict]:
    """Where ours stands among those with a rate."""
    ranked = [row for row in found if row["mean_win_rate"] is not None]
    ours = next((row for row in ranked if row["row"] in _OURS), None)
    rivals = [row for row in ranked if row is not ours]
    if ours is None or not rivals:
        return []
    difference = ours["mean_win_rate"] - rivals[0]["mean_win_rate"]
    kind = "level" if abs(difference) < 0.005 else ("ahead" if difference > 0 else "behind")
    word = {
        "ahead": "wins more often than",
        "level": "wins as often as",
        "behind": "wins less often than",
    }
    words = (
        f"{short(group, 60).capitalize()}, {short(family, 60)}: {short(ours['row'], 60)} "
        f"{word[kind]} the best other method, {short(rivals[0]['row'], 60)} "
        f"({number(ours['mean_win_rate'], 2)} against {number(rivals[0]['mean_win_rate'], 2)} over "
        f"{counted(ours['n_columns'], 'column')})."
    )
    return [Verdict(kind, words)]


def cells(catalog: Catalog) -> Found | None:
    """The cells, a folded table for every group and family: columns of HELM's tables as rows."""
    found = catalog.rows(
        f"SELECT * FROM helm_cells WHERE suite = 'headwater' ORDER BY suite, {_GROUPS}, "
        '"column", "row"'
    )
    if not found:
        return None
    parts = []
    for (_, group, family), members in groupby(found, key=_key):
        here = list(members)
        methods = list(dict.fromkeys(row["row"] for row in here))
        names = list(dict.fromkeys(row["column"] for row in here))
        body = [
            _cells_row(name, methods, [row for row in here if row["column"] == name])
            for name in names[:_SHOWN_COLUMNS]
        ]
        columns = [Column("scenario and metric"), *(Column(short(m, 40), True) for m in methods)]
        size = f"{counted(len(names), 'column')} by {counted(len(methods), 'method')}"
        inside = [table(columns, body)]
        if len(names) > _SHOWN_COLUMNS:
            inside.append(note(f"The first {_SHOWN_COLUMNS} of {len(names):,} columns."))
        parts.append(folded(f"{short(group, 60)}, {short(family, 60)}: {size}", *inside))
    empty = sum(row["value"] is None for row in found)
    say = f"{counted(len(found), 'cell')}, {empty:,} of them not measured; means over seeds. "
    parts.append(note(say + "↑ higher is better, ↓ lower is better; best of a row in bold."))
    return Found([], parts)


def _cells_row(name: str, methods: Sequence[str], found: Sequence[Row]) -> list[object]:
    values = {row["row"]: row["value"] for row in found}
    lower = found[0]["lower_is_better"]
    known = [value for value in values.values() if value is not None and isfinite(value)]
    best = (min if lower else max)(known, default=None)
    return [
        f"{short(name, 120)} {'↓' if lower else '↑'}",
        *(
            Cell(
                error_size(values.get(m)),
                "best" if best is not None and values.get(m) == best else "",
            )
            for m in methods
        ),
    ]


COMPARISON = Section(
    "Comparison",
    "HELM's view: in how many scenarios and metrics does each method beat the others?",
    [
        Block("helm_win_rates", win_rates, filled_by("lab", "helm")),
        Block("helm_cells", cells, filled_by("lab", "helm")),
    ],
    opens=False,  # each system's own section says the same of its scores, with sizes
)
