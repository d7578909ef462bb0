"""Section on evaluated models: a leaderboard that can be sorted, win rates, trade-offs, coverage.

The page runs no script: a column is sorted by the radio button in its heading, whose state the
style sheet turns into the order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from data.lake.catalog import Catalog
from tasks.report.comparison import bar
from tasks.report.page import (
    Cell,
    Column,
    Html,
    Verdict,
    element,
    folded,
    join,
    note,
    number,
    short,
    table,
)
from tasks.report.reading import Block, Found, Row, Section, filled_by

_FAMILIES = (
    "accuracy", "calibration", "robustness", "fairness", "bias", "toxicity", "efficiency",
)  # fmt: skip
_OWN = "headwater"  # the lab's own scores have a section of their own
_SHOWN = 60
_SIDE, _MARGIN = 180, 34  # of a scatter plot [px]
_LETTER = 5.6  # width of a name's letter [px]
# The broadest group of a suite: the one that compares in the most families, then in most columns.
_BROADEST = (
    'SELECT suite, arg_min("group", (-families, -n, "group")) AS "group" FROM ('
    ' SELECT suite, "group", max(n_columns) AS n,'
    f" count(DISTINCT table_name) FILTER (WHERE table_name IN {_FAMILIES}"
    " AND mean_win_rate IS NOT NULL) AS families FROM helm_win_rates"
    f" WHERE suite <> '{_OWN}' GROUP BY ALL) GROUP BY suite"
)


def leaderboard(catalog: Catalog) -> Found | None:
    """Mean win rates by family for every suite, with bars, trade-offs and groups of ties."""
    found = catalog.rows(
        f"SELECT w.*, t.tie_group FROM helm_win_rates AS w JOIN ({_BROADEST}) "
        'USING (suite, "group") LEFT JOIN helm_tie_groups AS t '
        'USING (suite, "group", table_name, "row") '
        'WHERE mean_win_rate IS NOT NULL ORDER BY suite, mean_win_rate DESC, "row"'
    )
    if not found:
        return None
    told, parts = [], []
    for suite in dict.fromkeys(row["suite"] for row in found):
        here = [row for row in found if row["suite"] == suite]
        rates = {(row["row"], row["table_name"]): row for row in here}
        families = [f for f in _FAMILIES if any(row["table_name"] == f for row in here)]
        first = families[0] if families else here[0]["table_name"]
        ranked = [row for row in here if row["table_name"] == first]
        models = list(dict.fromkeys(row["row"] for row in [*ranked, *here]))[:_SHOWN]
        told += _verdict(suite, ranked)
        parts.append(element("h3", f"{short(suite, 60)}: {short(here[0]['group'], 60)}"))
        parts.append(_board(suite, models, families, rates))
        parts.append(_bars(first, ranked[:_SHOWN]))
        plots = [_scatter(first, family, models, rates) for family in families[1:]]
        drawn = [plot for plot in plots if plot]
        if drawn:
            parts.append(element("div.figures", *drawn))
    parts.append(
        note(
            "Mean win rates: over scenarios and metrics, the share of other models that a model "
            "beats, ties half; 1 is best in every column, whatever its direction. Lines: 95 % "
            "bootstrap interval over columns. Models of one tie group are not told apart by a "
            "paired sign-flip test over columns at the 5 % level. Bias and toxicity of our own "
            "evaluations are counts of listed words. Choose a heading to sort."
        )
    )
    return Found(told, parts)


def coverage(catalog: Catalog) -> Found | None:
    """Scenario x family cells that have a value, by model."""
    found = catalog.rows(
        "SELECT suite, model, family, cells, measured FROM helm_coverage "
        f"WHERE suite <> '{_OWN}' ORDER BY suite, model"
    )
    if not found:
        return None
    parts: list[Html] = []
    for suite in dict.fromkeys(row["suite"] for row in found):
        here = [row for row in found if row["suite"] == suite]
        cells = {(row["model"], row["family"]): row for row in here}
        families = [f for f in _FAMILIES if any(row["family"] == f for row in here)]
        models = list(dict.fromkeys(row["model"] for row in here))[:_SHOWN]
        body = [
            [short(model, 60), *(_share(cells.get((model, family))) for family in families)]
            for model in models
        ]
        total, measured = (sum(row[name] for row in here) for name in ("cells", "measured"))
        columns = [Column("model"), *(Column(family, True) for family in families)]
        words = (
            f"{short(suite, 60)}: {measured:,} of {total:,} cells measured "
            f"({100 * measured / max(total, 1):.1f} %)"
        )
        parts.append(folded(words, table(columns, body)))
    parts.append(
        note(
            "A cell is a scenario and a family of metrics that is defined for it; HELM's paper "
            "measured 87.5 % of its own."
        )
    )
    return Found([], parts)


def _board(
    suite: str, models: Sequence[str], families: Sequence[str],
    rates: Mapping[tuple[str, str], Row],
) -> Html:  # fmt: skip
    """A table whose rows carry their place in every column."""
    values = {
        family: [_rate(rates.get((model, family))) for model in models] for family in families
    }
    places = [_inverse(sorted(range(len(models)), key=lambda i: models[i]))]
    for family in families:
        column = [-1.0 if value is None else value for value in values[family]]
        order = sorted(range(len(models)), key=lambda i: (-column[i], i))
        places.append(_inverse(order))
    anchor = "".join(c if c.isalnum() else "-" for c in suite.lower())
    heads = [
        _sorter(anchor, number_, name, chosen=number_ == 1)
        for number_, name in enumerate(("model", *families))
    ]
    rows = []
    for i, model in enumerate(models):
        style = ";".join(f"--o{column}:{place[i]}" for column, place in enumerate(places))
        cells = [element("th", short(model, 60), attributes={"scope": "row"})]
        for family in families:
            row = rates.get((model, family))
            tie = row["tie_group"] if row else None
            mark = element("sup", tie) if tie else ""
            best = values[family][i] is not None and places[families.index(family) + 1][i] == 0
            cells.append(element("td.n.best" if best else "td.n", number(_rate(row), 3), mark))
        rows.append(element("tr", *cells, attributes={"style": style}))
    inner = element(
        "table.sortable",
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        attributes={"style": f"--columns:{len(families) + 1}"},
    )
    return join(
        element("div.scroll", inner, attributes={"tabindex": 0}),
        note("Small figures: tie group of the model in that column."),
    )


def _sorter(anchor: str, column: int, name: str, *, chosen: bool) -> Html:
    """A heading that sorts when chosen."""
    attributes = {"type": "radio", "name": f"sort-{anchor}", "id": f"sort-{anchor}-{column}"}
    box = "".join(f' {key}="{value}"' for key, value in attributes.items())
    checked = " checked" if chosen else ""
    button = Html(f'<input class="s{column}"{box}{checked}>')
    label = element("label", button, name, attributes={"for": attributes["id"]})
    return element("th.n" if column else "th", label, attributes={"scope": "col"})


def _bars(family: str, ranked: Sequence[Row]) -> Html:
    """Horizontal bars with 95 % intervals."""
    columns = [
        Column(f"{family}: mean win rate"),
        Column("0 to 1"),
        *(Column(name, True) for name in ("rate", "95 % interval", "columns", "tie group")),
    ]
    body = [
        [
            short(row["row"], 60), Cell(bar(row), "bar"), number(row["mean_win_rate"], 3),
            f"{number(row['low'], 2)} to {number(row['high'], 2)}", row["n_columns"],
            row["tie_group"] or "",
        ]
        for row in ranked
    ]  # fmt: skip
    return table(columns, body, classes=["wins"])


def _scatter(
    x: str, y: str, models: Sequence[str], rates: Mapping[tuple[str, str], Row]
) -> Html | None:
    """Win rate in one family against that in another, a dot a model, named where there is room."""
    points = [(m, _rate(rates.get((m, x))), _rate(rates.get((m, y)))) for m in models]
    known = [(model, a, b) for model, a, b in points if a is not None and b is not None]
    if len(known) < 2:
        return None
    size = _SIDE + 2 * _MARGIN
    shapes = [
        element("path.axis", attributes={
            "d": f"M{_MARGIN} {_MARGIN}V{_MARGIN + _SIDE}H{_MARGIN + _SIDE}"
        }),
        element("path.half", attributes={
            "d": f"M{_MARGIN} {_MARGIN + _SIDE}L{_MARGIN + _SIDE} {_MARGIN}"
        }),
    ]  # fmt: skip
    taken: list[tuple[float, float, float]] = []  # left and right end and height of a name
    for index, (model, a, b) in enumerate(known):
        px, py = _MARGIN + _SIDE * a, _MARGIN + _SIDE * (1 - b)
        dot = {"cx": f"{px:.1f}", "cy": f"{py:.1f}", "r": 4, "style": f"fill:var(--c{index % 8})"}
        shapes.append(
            element("circle", element("title", f"{model}: {a:.3f}, {b:.3f}"), attributes=dot)
        )
        if len(known) <= 12:
            right = px > _MARGIN + _SIDE / 2
            name = short(model, 22)
            begins = px - 7 - _LETTER * len(name) if right else px + 7
            ends = begins + _LETTER * len(name)
            while any(
                begins < end and start < ends and abs(py - height) < 11
                for start, end, height in taken
            ):
                py += 11
            taken.append((begins, ends, py))
            place = {
                "x": f"{px + (-7 if right else 7):.1f}",
                "y": f"{py + 3:.1f}",
                "text-anchor": "end" if right else "start",
            }
            shapes.append(element("text", name, attributes=place))
    for value in (0, 1):
        at = _MARGIN + _SIDE * value
        shapes.append(element("text.tick", value, attributes={
            "x": at, "y": _MARGIN + _SIDE + 13, "text-anchor": "middle"
        }))  # fmt: skip
        shapes.append(element("text.tick", value, attributes={
            "x": _MARGIN - 6, "y": _MARGIN + _SIDE * (1 - value) + 3, "text-anchor": "end"
        }))  # fmt: skip
    middle = _MARGIN + _SIDE / 2
    shapes.append(element("text.tick", f"{x} (mean win rate)", attributes={
        "x": middle, "y": size - 6, "text-anchor": "middle"
    }))  # fmt: skip
    box = {
        "viewBox": f"0 0 {size} {size}",
        "role": "img",
        "aria-label": f"mean win rate in {y} against that in {x}, a dot a model",
    }
    drawing = element("svg.scatter", *shapes, attributes=box)
    title = element("figcaption", element("strong", f"{y} against {x}"))
    return element("figure", title, drawing)


def _verdict(suite: str, ranked: Sequence[Row]) -> list[Verdict]:
    """Who leads, and whether the lead is more than chance."""
    if len(ranked) < 2:
        return []
    first, second = ranked[:2]
    tied = first["tie_group"] == second["tie_group"]
    words = (
        f"{short(suite, 60)}: {short(first['row'], 60)} leads in {first['table_name']} with a mean "
        f"win rate of {number(first['mean_win_rate'], 2)} before {short(second['row'], 60)} with "
        f"{number(second['mean_win_rate'], 2)}"
        + (", which a paired test does not tell apart." if tied else ", apart by a paired test.")
    )
    return [Verdict("level" if tied else "ahead", words)]


def _share(row: Row | None) -> str:
    return "" if row is None else f"{row['measured']} of {row['cells']}"


def _rate(row: Row | None) -> float | None:
    value = row["mean_win_rate"] if row else None
    return value if value is not None and isfinite(value) else None


def _inverse(order: Sequence[int]) -> list[int]:
    places = [0] * len(order)
    for place, index in enumerate(order):
        places[index] = place
    return places


LEADERBOARD = Section(
    "Leaderboard",
    "Evaluated models and suites read with headwater aggregate, the broadest group of each.",
    [
        Block("helm_win_rates", leaderboard, filled_by("helm")),
        Block("helm_coverage", coverage, filled_by("helm")),
    ],
    opens=False,
)
