"""Section on few-shot classification: TART beside its rivals, on synthetic and real tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data.lake.catalog import Catalog
from tasks.report.few_shot_real import real_scores, tart_gaps
from tasks.report.page import (
    Column,
    Html,
    Verdict,
    counted,
    figure,
    figures,
    folded,
    note,
    number,
    short,
    table,
)
from tasks.report.plots import Line, chart, legend
from tasks.report.reading import Block, Found, Row, Section, filled_by
from tasks.report.scores import distinct, kind, tally

_METHODS = ("tart", "logistic regression", "bayes", "majority", "penalised regression")
_FEW_SHOT = {"accuracy": "accuracy", "brier": "Brier score"}
_SHOWN_TASKS = 8


def tart_scores(catalog: Catalog) -> Found | None:
    """Synthetic problems as charts against k, real data as one table."""
    found = [part for part in (_synthetic(catalog), real_scores(catalog)) if part is not None]
    if not found:
        return None
    return Found(
        [verdict for part in found for verdict in part.verdicts],
        [each for part in found for each in part.parts],
    )


def _synthetic(catalog: Catalog) -> Found | None:
    """Accuracy and Brier score against k, a pair of charts for every task."""
    found = catalog.rows(
        "SELECT task, base_model, embedding, method, k, round(avg(accuracy), 9) AS accuracy, "
        "round(avg(brier), 9) AS brier, count(*) AS seeds, sum(n_test)::BIGINT AS queries "
        "FROM tart_scores WHERE modality = 'synthetic' GROUP BY ALL ORDER BY ALL",
    )
    if not found:
        return None
    methods = [m for m in _METHODS if m in distinct(found, "method")]
    sets = sorted(
        {(r["task"], r["base_model"], r["embedding"]) for r in found},
        key=lambda key: (_by_number(key[0]), key[1:]),
    )
    drawn: list[Html] = []
    told, words = [], []
    for task, base, embedding in sets:
        here = [
            r
            for r in found
            if (r["task"], r["base_model"], r["embedding"]) == (task, base, embedding)
        ]
        name = task if base == "none" else f"{task}, {base}, {embedding}"
        told += _few_shot_verdict(name, here)
        words += [_few_shot_row(name, row) for row in here]
        if len(drawn) < 2 * _SHOWN_TASKS:
            drawn += [
                figure(
                    _by_k(here, methods, metric, f"{short(name)}: {label}"),
                    f"{short(name, 60)}: {label}",
                )
                for metric, label in _FEW_SHOT.items()
            ]
    columns = [Column("task"), Column("method")]
    columns += [Column(c, True) for c in ("k", "accuracy", "Brier score", "seeds", "queries")]
    omitted = (
        f" The first {_SHOWN_TASKS} of {len(sets)} tasks are drawn."
        if len(sets) > _SHOWN_TASKS
        else ""
    )
    caption = (
        f"Accuracy: higher is better; Brier score: lower is better; k: labelled examples before "
        f"the query, log scale. {_trials(found)}. bayes knows the law the labels came from and "
        f"bounds what can be reached; majority looks at labels only.{omitted}"
    )
    parts = [
        legend([Line(m, [], [], i, bold=i == 0) for i, m in enumerate(_METHODS) if m in methods]),
        figures(*drawn),
        note(caption),
        folded("All figures", table(columns, words)),
    ]
    return Found(_overall(found, told), parts)


def _by_k(found: Sequence[Row], methods: Sequence[str], metric: str, says: str) -> Html:
    ticks = sorted({row["k"] for row in found})
    lines = []
    for method in methods:
        values = {row["k"]: row[metric] for row in found if row["method"] == method}
        lines.append(
            Line(method, list(values), list(values.values()), _METHODS.index(method),
                 bold=method == "tart", points=True)
        )  # fmt: skip
    return chart(lines, x="examples k", y=_FEW_SHOT[metric], says=says, ticks=ticks)


def _by_number(name: str) -> list[str | float]:
    """A sort key that puts alpha=2 before alpha=10."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return [float(part) if i % 2 else part for i, part in enumerate(parts)]


def _few_shot_row(name: str, row: Row) -> list[object]:
    figures_ = [number(row["accuracy"]), number(row["brier"])]
    return [name, row["method"], row["k"], *figures_, row["seeds"], f"{row['queries']:,}"]


def _differences(found: Sequence[Row], metric: str) -> list[tuple[int, float, float]]:
    """(k, TART, logistic regression) wherever both were scored on the same task."""
    keys = ("task", "base_model", "embedding", "k")
    by = {(r["method"], *(r[key] for key in keys)): r[metric] for r in found}
    return [
        (key[-1], value, by["logistic regression", *key])
        for (method, *key), value in by.items()
        if method == "tart" and ("logistic regression", *key) in by
    ]


def _few_shot_verdict(name: str, found: Sequence[Row]) -> list[Verdict]:
    pairs = sorted(_differences(found, "accuracy"))
    if not pairs:
        return []
    k, ours, theirs = pairs[-1]
    noise = 0.5 / min(row["queries"] for row in found) ** 0.5
    mean = sum(a - b for _, a, b in pairs) / len(pairs)
    words = (
        f"{short(name)}: TART's accuracy is {number(ours)} at k = {k}, logistic regression's "
        f"{number(theirs)}; {tally([a - b for _, a, b in pairs], 'value', noise)} of k "
        f"(one standard error, at most {noise:.3f}, counts as level)."
    )
    return [Verdict(kind(mean, noise), words)]


def _overall(found: Sequence[Row], by_task: list[Verdict]) -> list[Verdict]:
    """The line that opens the page, then one a task."""
    accuracy = [a - b for _, a, b in _differences(found, "accuracy")]
    brier = [b - a for _, a, b in _differences(found, "brier")]
    if not accuracy or not brier:
        return by_task
    noise = 0.5 / min(row["queries"] for row in found) ** 0.5
    mean, mean_brier = (sum(each) / len(each) for each in (accuracy, brier))
    sign = "higher" if mean > 0 else "lower"
    better = "better" if mean_brier > 0 else "worse"
    words = (
        f"Few-shot classification: TART's accuracy is on average {abs(mean):.3f} {sign} than "
        f"logistic regression's on the same queries, its Brier score {abs(mean_brier):.3f} "
        f"{better}; in accuracy {tally(accuracy, 'case', noise)} of task and k."
    )
    return [Verdict(kind(mean, noise), words), *by_task]


def tart_training(catalog: Catalog) -> Found | None:
    """Loss and accuracy of the reasoning head while it learns."""
    found = catalog.rows(
        "SELECT step, dimension, points, loss, accuracy, seconds FROM tart_training ORDER BY step",
    )
    if not found:
        return None
    steps, last = [row["step"] for row in found], found[-1]
    losses = Line("loss", steps, [row["loss"] for row in found], 0, True, len(found) <= 40)
    shares = Line("accuracy", steps, [row["accuracy"] for row in found], 0, True, len(found) <= 40)
    caption = (
        f"{last['step']:,} steps in {last['seconds']:,.0f} s, {counted(len(found), 'logged row')}, "
        "each a mean since the row before, one seed. The curriculum grew to "
        f"d = {last['dimension']} coordinates and {last['points']} points a sequence; guessing has "
        "a loss of 0.693 nats."
    )
    drawn = figures(
        figure(
            chart([losses], x="optimisation step", y="loss [nats]", says="training loss by step"),
            f"Training loss, {number(last['loss'])} at the end",
        ),
        figure(
            chart([shares], x="optimisation step", y="accuracy", says="training accuracy by step"),
            f"Training accuracy, {number(last['accuracy'])} at the end",
        ),
    )
    return Found([], [drawn, note(caption)])


def _trials(found: Sequence[Row]) -> str:
    seeds, queries = max(r["seeds"] for r in found), sorted({r["queries"] for r in found})
    many = f"{queries[0]:,}" if len(queries) == 1 else f"{queries[0]:,} to {queries[-1]:,}"
    return f"Each point: {many} queries over {counted(seeds, 'seed')}"


FEW_SHOT = Section(
    "Few-shot classification",
    "TART: a head trained on synthetic problems only, given k labelled examples and a query.",
    [
        Block("tart_scores", tart_scores, filled_by("tart", "lab")),
        Block("tart_gaps", tart_gaps, filled_by("tart", "lab")),
        Block("tart_training", tart_training, filled_by("tart", "lab")),
    ],
)
