"""What else is to be seen of forecasters: paired tests, and the spectra they have learned."""

from __future__ import annotations

from data.lake.catalog import Catalog
from tasks.report.page import (
    NOTHING,
    Cell,
    Column,
    error_size,
    figure,
    figures,
    note,
    short,
    table,
)
from tasks.report.plots import Line, chart, legend
from tasks.report.reading import Found


def forecast_tests(catalog: Catalog) -> Found | None:
    """SpaceTime against each rival, with what the difference may owe to chance."""
    found = catalog.rows(
        "SELECT * FROM forecast_tests WHERE metric = 'mse' ORDER BY dataset, target, horizon, rival"
    )
    if not found:
        return None
    listing = [
        [
            row["rival"], row["horizon"], error_size(row["spacetime"]),
            error_size(row["rival_loss"]), _chance(row["p_value"]), row["degrees"], row["verdict"],
            Cell(f"{row['dataset']}, {row['target']}", "whole"),
        ]
        for row in found
    ]  # fmt: skip
    numeric = ["horizon", "SpaceTime's MSE", "rival's MSE", "p-value", "degrees of freedom"]
    columns = [Column("rival"), *(Column(n, True) for n in numeric), Column("SpaceTime"),
               Column("series")]  # fmt: skip
    caption = (
        "Diebold and Mariano's test on the same windows, two-sided, at the 5 % level; losses are "
        "means over seeds. Windows overlap: the degrees of freedom are about how many do not."
    )
    return Found([], [table(columns, listing), note(caption)])


def _chance(p_value: float | None) -> str:
    if p_value is None:
        return NOTHING
    return f"{p_value:.3f}" if p_value >= 5e-4 else "< 0.001"


def forecaster_spectra(catalog: Catalog) -> Found | None:
    """How long the learned state spaces remember: their largest eigenvalues."""
    found = catalog.rows(
        "SELECT layer, dataset, target, horizon, root, avg(modulus) AS modulus, "
        "max(modulus) AS largest FROM forecaster_spectra WHERE (dataset, target, horizon) IN ("
        "SELECT (dataset, target, horizon) FROM forecaster_spectra ORDER BY horizon DESC, dataset, "
        "target LIMIT 1) GROUP BY ALL ORDER BY layer, root"
    )
    if not found:
        return None
    lines = [
        Line(
            short(layer, 40),
            [row["root"] for row in found if row["layer"] == layer],
            [row["modulus"] for row in found if row["layer"] == layer],
            number,
        )
        for number, layer in enumerate(dict.fromkeys(row["layer"] for row in found))
    ]
    first = found[0]
    drawn = figure(
        chart(lines, x="eigenvalue, the largest first", y="modulus", says="learned spectrum of A"),
        "Modulus of the eigenvalues of A, mean over state spaces and seeds",
    )
    caption = (
        f"{short(first['dataset'], 60)}, {short(first['target'], 60)}, horizon {first['horizon']}. "
        "1 remembers for ever, below 1 it fades; the largest modulus is "
        f"{max(row['largest'] for row in found):.6f}."
    )
    return Found([], [legend(lines), figures(drawn), note(caption)])


def forecaster_trials(catalog: Catalog) -> Found | None:
    """What was tried before the final fits, and what was chosen: all of it before test rows."""
    found = catalog.rows(
        "SELECT dataset, target, horizon, lag, transform, learning_rate, count(*) AS origins, "
        "exp(avg(ln(validation_mse))) AS error FROM forecaster_trials GROUP BY ALL "
        "ORDER BY dataset, target, horizon, error, lag"
    )
    if not found:
        return None
    best: set[tuple[object, ...]] = set()
    listing = []
    for row in found:
        case = (row["dataset"], row["target"], row["horizon"])
        listing.append(
            [
                row["transform"], row["lag"], f"{row['learning_rate']:g}", row["horizon"],
                error_size(row["error"]), row["origins"], NOTHING if case in best else "chosen",
                Cell(f"{row['dataset']}, {row['target']}", "whole"),
            ]
        )  # fmt: skip
        best.add(case)
    numeric = ["look-back", "rate", "horizon", "validation MSE", "origins"]
    columns = [Column("transform"), *(Column(n, True) for n in numeric), Column(""),
               Column("series")]  # fmt: skip
    caption = "Geometric means over rolling origins; every origin validates on rows of its own."
    return Found([], [table(columns, listing), note(caption)])


def classification_scores(catalog: Catalog) -> Found | None:
    """Accuracy on labelled series: SpaceTime's encoder with a head, beside simple classifiers."""
    found = catalog.rows(
        "SELECT dataset, model, avg(accuracy) AS accuracy, min(accuracy) AS low, max(accuracy) AS "
        "high, count(*) AS seeds, any_value(n_test) AS tested FROM classification_scores "
        "GROUP BY dataset, model ORDER BY dataset, accuracy DESC, model"
    )
    if not found:
        return None
    listing = [
        [
            row["model"], f"{row['accuracy']:.4f}", f"{row['low']:.4f}", f"{row['high']:.4f}",
            row["seeds"], row["tested"], Cell(row["dataset"], "whole"),
        ]
        for row in found
    ]  # fmt: skip
    numeric = ["accuracy", "lowest", "highest", "seeds", "test series"]
    columns = [Column("classifier"), *(Column(n, True) for n in numeric), Column("series")]
    return Found([], [table(columns, listing)])
