"""Sections on extraction and few-shot classification: every score beside its baselines."""

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

_VOTE = "CODE+"
_POOLED = (_VOTE, "all")
_VISIBLE = 5e-4  # a difference that shows with the three decimals printed
_METRICS = {
    "text_f1": "Text F1",
    "exact_match": "Exact match",
    "pair_f1": "Pair F1",
    "pair_precision": "Pair precision",
    "pair_recall": "Pair recall",
}
_SCOPES = {"held-out": "", "read directly": ", where a model read directly"}
_METHODS = ("tart", "logistic regression", "bayes", "majority")
_FEW_SHOT = {"accuracy": "accuracy", "brier": "Brier score"}
_SHOWN_TASKS = 6


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
        strategies = sorted(_distinct(here, "strategy"), key=lambda name: name != _VOTE)
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
                    "heat best" if value is not None and max(known) - value < _VISIBLE else "heat",
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
        f"{number(ours)}, {_against(ours - rivals[best])} the best baseline, {short(best)} "
        f"({number(rivals[best])}); {_tally(pairs, 'attribute')}."
    )
    return [Verdict(_kind(ours - rivals[best]), words)]


def tart_scores(catalog: Catalog) -> Found | None:
    """Accuracy and Brier score against k, a pair of charts for every task."""
    found = catalog.rows(
        "SELECT task, base_model, embedding, method, k, round(avg(accuracy), 9) AS accuracy, "
        "round(avg(brier), 9) AS brier, count(*) AS seeds, sum(n_test)::BIGINT AS queries "
        "FROM tart_scores GROUP BY ALL ORDER BY ALL",
    )
    if not found:
        return None
    methods = [m for m in _METHODS if m in _distinct(found, "method")]
    sets = list(dict.fromkeys((r["task"], r["base_model"], r["embedding"]) for r in found))
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
        f"{number(theirs)}; {_tally([a - b for _, a, b in pairs], 'value', noise)} of k "
        f"(one standard error, at most {noise:.3f}, counts as level)."
    )
    return [Verdict(_kind(mean, noise), words)]


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
        f"{better}; in accuracy {_tally(accuracy, 'case', noise)} of task and k."
    )
    return [Verdict(_kind(mean, noise), words), *by_task]


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


def _distinct(found: Sequence[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in found))


def _kind(difference: float, visible: float = _VISIBLE) -> str:
    return "level" if abs(difference) < visible else ("ahead" if difference > 0 else "behind")


def _against(difference: float) -> str:
    return {"ahead": "ahead of", "level": "level with", "behind": "behind"}[_kind(difference)]


def _tally(differences: Sequence[float], thing: str, visible: float = _VISIBLE) -> str:
    """ "it is ahead on 2, level on 1 and behind on 3 of 6 attributes"."""
    kinds = [_kind(each, visible) for each in differences]
    a, b, c = (kinds.count(kind) for kind in ("ahead", "level", "behind"))
    return f"it is ahead on {a}, level on {b} and behind on {c} of {counted(len(kinds), thing)}"


EXTRACTION = Section(
    "Extraction",
    "EVAPORATE: functions induced from a few labelled documents extract from all, by vote.",
    [Block("extraction_scores", extraction_scores, filled_by("evaporate", "lab"))],
)
FEW_SHOT = Section(
    "Few-shot classification",
    "TART: a head trained on synthetic problems only, given k labelled examples and a query.",
    [
        Block("tart_scores", tart_scores, filled_by("tart", "lab")),
        Block("tart_training", tart_training, filled_by("tart", "lab")),
    ],
)
