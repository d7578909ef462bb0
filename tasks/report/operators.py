"""Section on solution operators: errors beside FNO's and the baselines', by mode, and in pictures.

Fields are drawn as inline SVG images of coloured cells, so that the page stays one file.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.lake.catalog import Catalog
from tasks.report.fields import field_image, scale_bar
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
    note,
    number,
    seconds,
    short,
    table,
)
from tasks.report.plots import TRUTH, Line, chart, legend
from tasks.report.reading import Block, Found, Row, Section, filled_by

_OURS = "t1"
_MODELS = (
    _OURS, "fno", "t1_plus", "t1_u", "unet", "neuraloperator_fno", "neuraloperator_tfno", "ridge",
    "mean_field", "persistence",
)  # fmt: skip
_CASE = ("dataset", "trained_resolution", "resolution")
_MOST_DRAWN = 3  # data sets

# Where an operator was fitted with copies by symmetry and without, pictures show it with them.
_AS_MEANT = "QUALIFY copies = max(copies) OVER (PARTITION BY dataset, model)"
# Seeds are averaged; spread is the distance of the worst seed from the best.
_SCORES = """
SELECT dataset, trained_resolution, resolution, model, modes, width, layers, copies,
    round(avg(relative_l2), 9) AS error, min(relative_l2) AS low, max(relative_l2) AS high,
    count(*) AS seeds, max(truncation_floor) AS floor, max(parameters) AS parameters,
    round(avg(train_seconds), 3) AS train_seconds, round(avg(inference_ms), 6) AS inference_ms,
    round(avg(solver_ms), 3) AS solver_ms, round(avg(break_even_solves), 0) AS break_even,
    max(n_test) AS n_test, max(frames) AS frames
FROM operator_scores GROUP BY ALL
ORDER BY dataset, trained_resolution, resolution, error, model, modes, width, layers,
    copies
"""
_TRIALS = """
SELECT dataset, resolution, model, modes, width, layers, copies, seconds,
    list({rate: learning_rate, error: validation_l2, chosen: chosen} ORDER BY learning_rate)
        AS tried
FROM operator_trials GROUP BY ALL ORDER BY ALL
"""
_BY_MODE = f"""
SELECT dataset, resolution, model, modes, width, layers, copies, mode,
    round(avg(error), 9) AS error, round(avg(truth), 9) AS truth
FROM (FROM operator_spectra {_AS_MEANT}) GROUP BY ALL ORDER BY ALL
"""
_COURSES = f"""
SELECT dataset, model, modes, width, layers, seed, look_seconds, validation_course
FROM operators WHERE seed = 0 {_AS_MEANT} ORDER BY ALL
"""
_FIELDS = """
SELECT * FROM operator_fields WHERE len(grid) = 2 ORDER BY dataset, resolution, rank, model
"""


def operator_scores(catalog: Catalog) -> Found | None:
    """A table of errors and costs for every data set and grid."""
    found = catalog.rows(_SCORES)
    if not found:
        return None
    numeric = (
        "relative L2", "range over seeds", "floor", "parameters", "fit", "a prediction", "a solve",
        "pays after", "tests",
    )  # fmt: skip
    columns = [Column("model"), *(Column(name, True) for name in numeric)]
    told: list[Verdict] = []
    tables: list[Html] = []
    for case in dict.fromkeys(tuple(r[key] for key in _CASE) for r in found):
        here = [r for r in found if tuple(r[key] for key in _CASE) == case]
        told += _verdict(here)
        listing = [_score_row(row, here) for row in here]
        tables.append(figures(figure(table(columns, listing), _where(here[0]))))
    caption = (
        "Mean over test samples of ||prediction - truth|| / ||truth||; lower is better, best in "
        "bold; means over seeds. Floor: the least error possible with the coefficients kept. Pays "
        "after: solves until making the data, the fit and predictions cost less than solving."
    )
    return Found(told, [*tables, note(caption)])


def _score_row(row: Row, case: Sequence[Row]) -> list[object]:
    best = min(r["error"] for r in case)
    spread = (
        f"{error_size(row['low'])} to {error_size(row['high'])}" if row["seeds"] > 1 else NOTHING
    )
    plain = row["copies"] == 1 and any(r["copies"] > 1 and r["model"] == row["model"] for r in case)
    return [
        Cell(
            f"{_sized(row)}{', without copies' if plain else ''}",
            "ours" if row["model"] == _OURS else "",
        ),
        Cell(error_size(row["error"]), "best" if row["error"] == best else ""),
        spread, error_size(row["floor"]), f"{row['parameters']:,}", seconds(row["train_seconds"]),
        _milliseconds(row["inference_ms"]), _milliseconds(row["solver_ms"]),
        number(row["break_even"], 0), f"{row['n_test']:,}",
    ]  # fmt: skip


def _sized(row: Row) -> str:
    """An operator's name with its size; a baseline has none."""
    size = f" m={row['modes']} W={row['width']} layers={row['layers']}" if row["width"] else ""
    return f"{short(row['model'], 40)}{size}"


def operator_trials(catalog: Catalog) -> Found | None:
    """Which learning rates every operator was offered, and which it was given."""
    found = catalog.rows(_TRIALS)
    if not found:
        return None
    listing: list[list[object]] = [
        [
            _sized(row) + (f", {row['copies']} copies" if row["copies"] > 1 else ""),
            ", ".join(f"{one['rate']:g}" for one in row["tried"] if one["chosen"]),
            ", ".join(f"{one['rate']:g}: {error_size(one['error'])}" for one in row["tried"]),
            seconds(row["seconds"]),
            f"{short(row['dataset'], 60)}, {row['resolution']}",
        ]
        for row in found
    ]
    columns = [
        Column("model"), Column("rate", True), Column("validation error by rate tried"),
        Column("a trial", True), Column("data, grid"),
    ]  # fmt: skip
    caption = (
        "Learning rates are chosen by short fits on the validation split, as many and as long for "
        "every operator. No error: training diverged."
    )
    return Found([], [table(columns, listing), note(caption)])


def _milliseconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g} ms"


def _where(row: Row) -> str:
    where = f"{short(row['dataset'], 60)}, grid {row['resolution']}"
    if row["resolution"] != row["trained_resolution"]:
        where += f" after training on {row['trained_resolution']}"
    return where


def _verdict(case: Sequence[Row]) -> list[Verdict]:
    """T1 against the best of all others; level when that lies within the range of its seeds."""
    ours = min((r for r in case if r["model"] == _OURS), key=lambda r: r["error"], default=None)
    rivals = [row for row in case if not row["model"].startswith(_OURS)]
    if ours is None or not rivals:
        return []
    best = min(rivals, key=lambda row: (row["error"], row["model"]))
    name = short(best["model"], 40)
    compared = f"relative L2 {error_size(ours['error'])} against {error_size(best['error'])}"
    if ours["low"] <= best["error"] <= ours["high"]:
        kind, words = "level", f"is level with {name} within the range of its seeds"
    elif ours["error"] < best["error"]:
        kind, words = "ahead", f"beats every other model and baseline, the best of them {name}"
    else:
        kind, words = "behind", f"loses to {name}"
    over = counted(ours["seeds"], "seed")
    return [
        Verdict(kind, f"Operators on {_where(ours)}: T1 {words} ({compared}, mean over {over}).")
    ]


def operators(catalog: Catalog) -> Found | None:
    """Validation error over the time of the fit, first seed of every operator."""
    found = catalog.rows(_COURSES)
    if not found:
        return None
    drawn = []
    for dataset in list(dict.fromkeys(row["dataset"] for row in found))[:_MOST_DRAWN]:
        lines = [
            Line(short(row["model"], 40), row["look_seconds"], row["validation_course"],
                 _place(row["model"]), bold=row["model"] == _OURS)
            for row in found if row["dataset"] == dataset
        ]  # fmt: skip
        says = "validation error over the time of the fit"
        drawing = chart(lines, x="time of the fit [s]", y="relative L2, validation", says=says)
        drawn.append(figure(drawing, short(dataset, 60)))
    key = [Line(m, [], [], _place(m), bold=m == _OURS) for m in _known(found)]
    return Found([], [legend(key), figures(*drawn)])


def operator_spectra(catalog: Catalog) -> Found | None:
    """Error by DCT mode, beside the size of the truth there."""
    found = catalog.rows(_BY_MODE)
    if not found:
        return None
    drawn = []
    for dataset in list(dict.fromkeys(row["dataset"] for row in found))[:_MOST_DRAWN]:
        here = [row for row in found if row["dataset"] == dataset]
        lines = [
            _mode_line(model, [r for r in here if r["model"] == model], "error")
            for model in reversed(_known(here))
        ]
        first = [row for row in here if row["model"] == here[0]["model"]]
        truth = _mode_line("truth", first, "truth")._replace(colour=TRUTH)
        drawn.append(figure(
            chart([truth, *lines], x="DCT mode (the larger of both axes)",
                  y="root mean square", says="error by mode"),
            short(dataset, 60),
        ))  # fmt: skip
    key = [Line("truth", [], [], TRUTH, bold=True)]
    key += [Line(m, [], [], _place(m), bold=m == _OURS) for m in _known(found)]
    caption = (
        "Size of the error in the coefficients of each number, on the grid trained on, mean over "
        "seeds; where it reaches the truth's own size a model knows nothing of that mode."
    )
    return Found([], [legend(key), figures(*drawn), note(caption)])


def _mode_line(model: str, found: Sequence[Row], value: str) -> Line:
    shown = [row for row in found if row[value] > 0]
    modes, values = [row["mode"] for row in shown], [row[value] for row in shown]
    return Line(short(model, 40), modes, values, _place(model), bold=model == _OURS)


def operator_fields(catalog: Catalog) -> Found | None:
    """The median test sample of each data set: input, truth, predictions and their errors."""
    found = [row for row in catalog.rows(_FIELDS) if row["rank"] == 0.5]
    if not found:
        return None
    parts: list[Html] = []
    for dataset in list(dict.fromkeys(row["dataset"] for row in found))[:_MOST_DRAWN]:
        here = [row for row in found if row["dataset"] == dataset]
        ours = next((row for row in here if row["model"] == _OURS), here[0])
        limit = max(map(abs, ours["y"])) or 1.0
        own = max(map(abs, ours["u"])) or 1.0
        drawn = [
            figure(field_image(ours["u"], ours["grid"], own, "input"), "Input"),
            figure(field_image(ours["y"], ours["grid"], limit, "truth"), "Truth"),
        ]
        for row in (r for model in (_OURS, "fno") for r in here if r["model"] == model):
            error = [a - b for a, b in zip(row["yhat"], row["y"], strict=True)]
            drawn += [
                figure(field_image(row["yhat"], row["grid"], limit, "prediction"),
                       f"{row['model']}, error {error_size(row['relative_l2'])}"),
                figure(field_image(error, row["grid"], limit, "error"), f"{row['model']} - truth"),
            ]  # fmt: skip
        caption = (
            f"{short(dataset, 60)}: of the test samples ordered by the first operator's error the "
            f"middle one, sample {ours['sample']}; colours reach from {-limit:.3g} to {limit:.3g}, "
            f"the input's to {own:.3g}."
        )
        parts += [figures(*drawn, small=True), note(caption)]
    return Found([], [scale_bar(), *parts])


def _known(found: Sequence[Row]) -> list[str]:
    return sorted({row["model"] for row in found}, key=lambda model: (_place(model), model))


def _place(model: str) -> int:
    """Known models keep their colour; others follow them."""
    return _MODELS.index(model) if model in _MODELS else len(_MODELS)


OPERATORS = Section(
    "Operators",
    "T1: solution operators of equations learnt with one transform, beside FNO and baselines.",
    [
        Block("operator_scores", operator_scores, filled_by("t1")),
        Block("operator_trials", operator_trials, filled_by("t1")),
        Block("operators", operators, filled_by("t1")),
        Block("operator_spectra", operator_spectra, filled_by("t1")),
        Block("operator_fields", operator_fields, filled_by("t1")),
    ],
)
