"""Section on forecasting: errors beside the baselines', and forecasts drawn over the truth."""

from __future__ import annotations

from collections.abc import Sequence

from data.lake.catalog import Catalog
from tasks.report.forecasters import (
    classification_scores,
    forecast_tests,
    forecaster_spectra,
    forecaster_trials,
)
from tasks.report.page import (
    NOTHING,
    Cell,
    Column,
    Html,
    Verdict,
    counted,
    error_size,
    figure,
    figures,
    moment,
    note,
    seconds,
    short,
    table,
)
from tasks.report.plots import TRUTH, Line, chart, legend
from tasks.report.reading import Block, Found, Row, Section, filled_by

_OURS = "spacetime"
_MODELS = (
    _OURS, "ridge", "seasonal_naive", "last_value", "lag_mean", "arima", "s4d", "lstm",
    "transformer", "nlinear", "dlinear", "patchtst", "nhits",
)  # fmt: skip
_CASE = ("dataset", "target", "lag", "horizon")
_CONTEXT = 48  # most steps of truth drawn before the origin

# Seeds are averaged; spread is the distance of the worst seed from the best.
_SCORES = """
SELECT dataset, target, lag, horizon, model, round(avg(mse), 9) AS mse, round(avg(mae), 9) AS mae,
    min(mse) AS low, max(mse) AS high, count(*) AS seeds, max(n_windows) AS n_windows,
    max(parameters) AS parameters, round(avg(train_seconds), 3) AS train_seconds
FROM forecast_scores GROUP BY ALL ORDER BY dataset, target, lag, horizon, mse, model
"""
# One case is drawn, the one that reaches furthest. Its windows are chosen by rank, so that what
# is shown is neither the best nor the worst: 10, 50 and 90 % of the windows have a smaller error.
_CHOSEN = """
WITH one AS (
    SELECT DISTINCT dataset, task, target, lag, horizon FROM forecasts
    ORDER BY horizon DESC, dataset, task, target, lag LIMIT 1
),
chosen AS (SELECT f.* FROM forecasts AS f JOIN one USING (dataset, task, target, lag, horizon)),
judge AS (
    SELECT coalesce(max(model) FILTER (model = 'spacetime'), min(model)) AS model FROM chosen
),
ranked AS (
    SELECT *, row_number() OVER (ORDER BY error, origin) AS place, count(*) OVER () AS n
    FROM (
        SELECT origin, round(avg(((y - yhat) / scale) ** 2), 9) AS error
        FROM chosen JOIN judge USING (model) GROUP BY origin
    )
),
picked AS (
    SELECT origin, error, place / n AS rank, n FROM ranked
    WHERE place IN (1 + ((n - 1) * 0.1)::INT, 1 + ((n - 1) * 0.5)::INT, 1 + ((n - 1) * 0.9)::INT)
)
"""
_WINDOWS = (
    _CHOSEN
    + """
SELECT c.origin, p.error, p.rank, p.n, c.dataset, c.target, c.lag, c.horizon, c.model, c.seed,
    c.step, c.y, c.yhat
FROM chosen AS c JOIN picked AS p USING (origin)
QUALIFY c.seed = min(c.seed) OVER (PARTITION BY c.model)
ORDER BY p.rank, c.model, c.step
"""
)
_BEFORE = (
    _CHOSEN
    + f"""
SELECT p.origin, t.y
FROM picked AS p JOIN (SELECT DISTINCT time, y, horizon FROM chosen) AS t ON t.time <= p.origin
QUALIFY row_number() OVER (PARTITION BY p.origin ORDER BY t.time DESC)
    <= least({_CONTEXT}, t.horizon)
ORDER BY p.origin, t.time
"""
)
_BY_STEP = (
    _CHOSEN
    + """
SELECT model, step, round(avg(((y - yhat) / scale) ** 2), 9) AS mse,
    count(DISTINCT origin) AS n, count(DISTINCT seed) AS seeds
FROM chosen GROUP BY ALL ORDER BY ALL
"""
)


def forecast_scores(catalog: Catalog) -> Found | None:
    """A table of errors for every series, target, lag and horizon."""
    found = catalog.rows(_SCORES)
    if not found:
        return None
    told: list[Verdict] = []
    listing = []
    for case in dict.fromkeys(tuple(r[key] for key in _CASE) for r in found):
        here = [r for r in found if tuple(r[key] for key in _CASE) == case]
        told += _verdict(here)
        listing += [_score_row(row, here) for row in here]
    numeric = ["horizon", "MSE", "range over seeds", "MAE", "parameters", "fit", "windows"]
    columns = [Column("model"), *(Column(name, True) for name in numeric), Column("series")]
    lags = ", ".join(str(lag) for lag in sorted({row["lag"] for row in found}))
    caption = (
        "Mean squared and absolute error on standardised data over all test windows and steps; "
        "lower is better, best in bold; means over seeds. Fit: wall time a model, mean over seeds. "
        f"Horizons in steps, look-back {lags} steps."
    )
    return Found([*_tally(told), *told], [table(columns, listing), note(caption)])


def _tally(told: Sequence[Verdict]) -> list[Verdict]:
    """One line over several cases; its kind is the worst that occurs."""
    if len(told) < 2:
        return []
    ahead, level, behind = (sum(v.kind == k for v in told) for k in ("ahead", "level", "behind"))
    words = (
        f"Forecasting: of {len(told)} cases (series, target, look-back, horizon) SpaceTime beats "
        f"every baseline in {ahead}, is level with the best in {level} and loses to it in {behind}."
    )
    return [Verdict("behind" if behind else "level" if level else "ahead", words)]


def _score_row(row: Row, case: Sequence[Row]) -> list[object]:
    best = {m: min((r[m] for r in case if r[m] is not None), default=None) for m in ("mse", "mae")}
    spread = (
        f"{error_size(row['low'])} to {error_size(row['high'])}" if row["seeds"] > 1 else NOTHING
    )
    mse, mae = (
        Cell(error_size(row[m]), "best" if row[m] == best[m] else "") for m in ("mse", "mae")
    )
    return [
        Cell(row["model"], "ours" if row["model"] == _OURS else ""), row["horizon"], mse, spread,
        mae, f"{row['parameters']:,}", seconds(row["train_seconds"]), f"{row['n_windows']:,}",
        Cell(f"{row['dataset']}, {row['target']}", "whole"),
    ]  # fmt: skip


def _verdict(case: Sequence[Row]) -> list[Verdict]:
    """SpaceTime against its best baseline; level when that lies within the range of its seeds."""
    ours = next((row for row in case if row["model"] == _OURS), None)
    rivals = [row for row in case if row["model"] != _OURS]
    if ours is None or not rivals:
        return []
    best = min(rivals, key=lambda row: (row["mse"], row["model"]))
    where = f"{short(ours['dataset'], 40)}, {short(ours['target'], 40)}, horizon {ours['horizon']}"
    figures_ = f"MSE {error_size(ours['mse'])} against {error_size(best['mse'])}"
    percent = 100 * abs(ours["mse"] / best["mse"] - 1) if best["mse"] > 0 else 0.0
    over = counted(ours["seeds"], "seed")
    name = short(best["model"], 40)
    if ours["low"] <= best["mse"] <= ours["high"]:
        words, kind = (
            f"is level with its best baseline, {name}, within the range of its seeds",
            "level",
        )
    elif ours["mse"] < best["mse"]:
        words = f"beats every baseline; its error is {percent:.1f} % below that of the best, {name}"
        kind = "ahead"
    else:
        words, kind = f"loses to {name}, a baseline: its error is {percent:.1f} % higher", "behind"
        losses = sum(row["mse"] < ours["mse"] for row in rivals)
        if losses > 1:
            words += f", and {losses - 1} more of {len(rivals)} baselines do better"
    return [
        Verdict(kind, f"Forecasting {where}: SpaceTime {words} ({figures_}, mean over {over}).")
    ]


def forecasts(catalog: Catalog) -> Found | None:
    """Three windows with every model's forecast, and the error by step."""
    found = catalog.rows(_WINDOWS)
    if not found:
        return None
    before = catalog.rows(_BEFORE)
    by_step = catalog.rows(_BY_STEP)
    first = found[0]
    known = sorted({row["model"] for row in by_step}, key=_place)
    drawn = [
        _window(
            [r for r in found if r["origin"] == origin],
            [r["y"] for r in before if r["origin"] == origin],
        )
        for origin in dict.fromkeys(row["origin"] for row in found)
    ]
    drawn.append(figure(
        chart(
            [_line(m, [r for r in by_step if r["model"] == m], "mse") for m in reversed(known)],
            x="steps after the origin", y="MSE, standardised", says="mean squared error by step",
        ),
        f"Error by step, mean over {by_step[0]['n']:,} windows",
    ))  # fmt: skip
    case = f"{short(first['dataset'], 60)}, {short(first['target'], 60)}"
    judge = _OURS if _OURS in known else known[0]
    caption = (
        f"{case}: horizon {first['horizon']}, look-back {first['lag']} steps, in the "
        f"series' own unit; the vertical line is the origin. Of {first['n']:,} test windows, "
        f"ordered by {short(judge, 40)}'s error, those at percentiles 10, 50 and 90. Windows show "
        "each model's first seed; the error by step is the mean over all seeds "
        f"({max(r['seeds'] for r in by_step)} where training is random)."
    )
    lines = [Line("measured", [], [], TRUTH, bold=True), *(_line(m, [], "mse") for m in known)]
    return Found([], [legend(lines), figures(*drawn), note(caption)])


def _window(window: Sequence[Row], before: Sequence[float]) -> Html:
    first = window[0]
    truth = {row["step"]: row["y"] for row in window}
    past = range(1 - len(before), 1)
    lines = [
        _line(model, [row for row in window if row["model"] == model], "yhat")
        for model in sorted({row["model"] for row in window}, key=_place, reverse=True)
    ]
    measured = Line("measured", [*past, *truth], [*before, *truth.values()], TRUTH, bold=True)
    title = f"{moment(first['origin'])} UTC, error percentile {100 * first['rank']:.0f}"
    says = f"forecasts from {title}"
    drawing = chart([measured, *lines], x="steps after the origin", y="value", says=says, mark=0.5)
    return figure(drawing, title)


def _line(model: str, found: Sequence[Row], value: str) -> Line:
    steps, values = [row["step"] for row in found], [row[value] for row in found]
    return Line(short(model, 40), steps, values, _place(model)[0], bold=model == _OURS)


def _place(model: str) -> tuple[int, str]:
    """Known models keep their colour; others follow them."""
    return (_MODELS.index(model) if model in _MODELS else len(_MODELS), model)


_LABELLED = """spacetime --set 'labelled=[{"dataset": "JapaneseVowels"}]'"""
FORECASTING = Section(
    "Forecasting",
    "SpaceTime: closed-loop companion state spaces, beside baselines on the very same windows.",
    [
        Block("forecast_scores", forecast_scores, filled_by("spacetime", "lab")),
        Block("forecast_tests", forecast_tests, filled_by("spacetime", "lab")),
        Block("forecasts", forecasts, filled_by("spacetime", "lab")),
        Block("forecaster_spectra", forecaster_spectra, filled_by("spacetime", "lab")),
        Block("forecaster_trials", forecaster_trials, filled_by("spacetime --profile standard")),
        Block("classification_scores", classification_scores, filled_by(_LABELLED)),
    ],
)
