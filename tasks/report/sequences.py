"""Section on sequence models: accuracy by task and layer, the course of fits, what layers cost."""

from __future__ import annotations

from collections.abc import Sequence

from data.lake.catalog import Catalog
from tasks.report.page import (
    NOTHING,
    Cell,
    Column,
    Verdict,
    counted,
    figure,
    figures,
    note,
    number,
    seconds,
    short,
    table,
)
from tasks.report.plots import Line, chart, legend
from tasks.report.reading import Block, Found, Row, Section, filled_by

_CASE = ("task", "length", "test_length", "vocabulary")
_LOWER_IS_BETTER = ("perplexity", "mse")
_MOST_DRAWN = 4  # tasks
_COLOURS = 8
_CONVOLUTIONAL = ("h3", "hyena", "long_conv")

# Seeds are averaged; the range over them stands beside.
_SCORES = """
SELECT task, length, test_length, vocabulary, model, variant, metric,
    round(avg(value), 9) AS value, min(value) AS low, max(value) AS high, count(*) AS seeds,
    max(chance) AS chance, max(n_test) AS n_test, max(parameters) AS parameters,
    round(avg(train_seconds), 3) AS train_seconds
FROM sequence_scores GROUP BY ALL
ORDER BY task, length, test_length, vocabulary, model, variant
"""
_COURSES = """
SELECT task, length, vocabulary, model, variant, metric, look_steps, validation_course
FROM sequence_models QUALIFY seed = min(seed) OVER (PARTITION BY task, length, vocabulary, model)
ORDER BY ALL
"""
_TIMINGS = "SELECT * FROM conv_benchmarks ORDER BY op, D, L, peer"


def sequence_scores(catalog: Catalog) -> Found | None:
    """Every task with the models trained on it, best in bold."""
    found = catalog.rows(_SCORES)
    if not found:
        return None
    told: list[Verdict] = []
    listing: list[list[object]] = []
    for case in dict.fromkeys(tuple(row[key] for key in _CASE) for row in found):
        here = [row for row in found if tuple(row[key] for key in _CASE) == case]
        best = _best(here)
        told += _verdict(here)
        listing += [_score_row(row, row["value"] == best["value"]) for row in here]
    numeric = ("score", "range over seeds", "chance", "parameters", "fit", "tests")
    columns = [
        Column("model"), *(Column(name, True) for name in numeric), Column("metric"),
        Column("task, length, tokens"),
    ]  # fmt: skip
    caption = (
        "Scores on the test split, means over seeds; of accuracies higher is better, of perplexity "
        "and squared error lower. Chance: a guess. Lengths are in each task's own measure."
    )
    return Found(told, [table(columns, listing), note(caption)])


def _score_row(row: Row, is_best: bool) -> list[object]:
    where = f"{short(row['task'], 40)}, {row['length']}"
    if row["test_length"] != row["length"]:
        where += f", tested at {row['test_length']}"
    spread = f"{_value(row, 'low')} to {_value(row, 'high')}" if row["seeds"] > 1 else NOTHING
    return [
        _named(row), Cell(_value(row, "value"), "best" if is_best else ""), spread,
        NOTHING if row["chance"] is None else _value(row, "chance"), f"{row['parameters']:,}",
        seconds(row["train_seconds"]), f"{row['n_test']:,}", row["metric"],
        f"{where}, {row['vocabulary']:,}",
    ]  # fmt: skip


def _named(row: Row) -> str:
    variant = f", {short(row['variant'], 40)}" if row["variant"] else ""
    return f"{short(row['model'], 60)}{variant}"


def _value(row: Row, column: str) -> str:
    if row["metric"] in _LOWER_IS_BETTER:
        return number(row[column])
    return f"{100 * row[column]:.1f} %"


def _best(case: Sequence[Row]) -> Row:
    sign = 1 if case[0]["metric"] in _LOWER_IS_BETTER else -1
    return min(case, key=lambda row: (sign * row["value"], row["model"], row["variant"]))


def _verdict(case: Sequence[Row]) -> list[Verdict]:
    """The best model of convolutions alone against attention alone."""
    ours = [row for row in case if row["model"].startswith(_CONVOLUTIONAL)
            and "attention" not in row["model"]]  # fmt: skip
    peers = [row for row in case if row["model"].split(" ")[0] == "attention"
             and "," not in row["model"]]  # fmt: skip
    if not ours or not peers:
        return []
    one, peer = _best(ours), _best(peers)
    where = f"{short(one['task'], 40)}, length {one['test_length']}"
    compared = f"{_value(one, 'value')} against {_value(peer, 'value')}"
    if one["low"] <= peer["value"] <= one["high"]:
        kind, words = "level", "is level with attention within the range of its seeds"
    elif _best([one, peer]) is one:
        kind, words = "ahead", "beats attention"
    else:
        kind, words = "behind", "loses to attention"
    over = counted(one["seeds"], "seed")
    return [Verdict(kind, f"{where}: {_named(one)} {words} ({compared}, {over}).")]


def sequence_models(catalog: Catalog) -> Found | None:
    """The metric on the validation split over the steps of each fit."""
    found = [row for row in catalog.rows(_COURSES) if len(row["look_steps"]) > 1]
    if not found:
        return None
    names = sorted({_named(row) for row in found})
    drawn = []
    for task in list(dict.fromkeys((r["task"], r["length"]) for r in found))[:_MOST_DRAWN]:
        here = [row for row in found if (row["task"], row["length"]) == task]
        lines = [
            Line(
                _named(r),
                r["look_steps"],
                r["validation_course"],
                names.index(_named(r)) % _COLOURS,
            )
            for r in here
        ]
        drawing = chart(
            lines, x="steps", y=f"{here[0]['metric']}, validation", says="course of the fits"
        )
        drawn.append(figure(drawing, f"{short(task[0], 40)}, length {task[1]}"))
    key = [Line(name, [], [], place % _COLOURS) for place, name in enumerate(names)]
    return Found([], [legend(key), figures(*drawn)])


def conv_benchmarks(catalog: Catalog) -> Found | None:
    """What every comparison measured; a ratio below 1 is a loss and is shown as one."""
    found = catalog.rows(_TIMINGS)
    if not found:
        return None
    listing: list[list[object]] = [
        [
            short(row["op"], 60), Cell(short(row["ours"], 40), "ours"), _measured(row, "value"),
            short(row["peer"], 40), _measured(row, "peer_value"), f"{row['ratio']:.2f}",
            f"{row['L']:,}", row["D"], row["batch"],
            f"{short(row['device'], 30)}, {counted(row['threads'], 'thread')}",
        ]
        for row in found
    ]  # fmt: skip
    columns = [
        Column("what"), Column("ours"), Column("ours", True), Column("peer"), Column("peer", True),
        Column("ratio", True), Column("L", True), Column("D", True), Column("B", True),
        Column("device"),
    ]  # fmt: skip
    caption = "Medians of runs taken in turn; a ratio above 1 is better for ours."
    return Found([], [table(columns, listing), note(caption)])


def _measured(row: Row, column: str) -> str:
    if row["unit"] == "bytes":
        return f"{row[column] / 2**20:.0f} MiB"
    return f"{1e3 * row[column]:.3g} ms"


SEQUENCES = Section(
    "Sequences",
    "Hyena, H3 and long convolutions beside attention: what they learn, and what they cost.",
    [
        Block("sequence_scores", sequence_scores, filled_by("sequence")),
        Block("sequence_models", sequence_models, filled_by("sequence")),
        Block("conv_benchmarks", conv_benchmarks, filled_by("sequence")),
    ],
)
