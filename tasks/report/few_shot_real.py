"""TART on real data in the report: one table of all methods, and the gap of in-context learning."""

from __future__ import annotations

from data.lake.catalog import Catalog
from tasks.report.page import Cell, Column, Verdict, counted, folded, note, number, short, table
from tasks.report.reading import Found
from tasks.report.scores import kind, tally

# What stands in a row of the table of real data: heading, method, embedding.
_RIVALS = (
    ("TART", "tart", None),
    ("regression", "logistic regression", None),
    ("penalised", "penalised regression", None),
    ("linear head", "linear head", None),
    ("in-context", "icl", "prompt"),
    ("calibrated", "calibrated icl", "prompt"),
    ("fine-tuned", "fine-tuning", "tuned"),
    ("majority", "majority", None),
)
_NAMED = {"logistic regression": "logistic regression", "icl": "in-context learning"}


def real_scores(catalog: Catalog) -> Found | None:
    """Accuracy of every method on real data, a row for each way of reading it and k."""
    found = catalog.rows(
        "SELECT CASE modality WHEN 'vision' THEN split_part(task, ' ', 1) ELSE task END AS task, "
        "base_model, embedding, method, k, round(avg(accuracy), 9) AS accuracy, "
        "count(DISTINCT seed) AS seeds, sum(n_test)::BIGINT AS queries "
        "FROM tart_scores WHERE modality <> 'synthetic' GROUP BY ALL ORDER BY ALL",
    )
    if not found:
        return None
    by = {(r["task"], r["base_model"], r["embedding"], r["k"], r["method"]): r for r in found}
    body: list[list[object]] = []
    against: dict[str, list[float]] = {"logistic regression": [], "icl": []}
    for row in found:
        if row["method"] != "tart":
            continue
        task, base, embedding, k = (row[n] for n in ("task", "base_model", "embedding", "k"))
        values = {
            method: by.get((task, base, own or embedding, k, method)) for _, method, own in _RIVALS
        }
        accuracy = {m: None if r is None else r["accuracy"] for m, r in values.items()}
        best = max(value for value in accuracy.values() if value is not None)
        for rival, differences in against.items():
            if accuracy[rival] is not None:
                differences.append(row["accuracy"] - accuracy[rival])
        name = task if base == "none" else f"{task}, {base}, {embedding}"
        body.append([
            short(name, 60),
            k,
            *(
                Cell(number(value), "best" if value == best else "")
                for value in accuracy.values()
            ),
            row["seeds"],
            f"{row['queries']:,}",
        ])  # fmt: skip
    columns = [Column("data"), Column("k", True), *(Column(name, True) for name, _, _ in _RIVALS)]
    columns += [Column("seeds", True), Column("queries", True)]
    caption = (
        "Accuracy on real data, higher is better, best of a row in bold; every method of a row saw "
        "the same examples and was asked the same queries. Image tasks are means over all pairs."
    )
    return Found(_real_verdicts(against), [table(columns, body), note(caption)])


def _real_verdicts(against: dict[str, list[float]]) -> list[Verdict]:
    told = []
    for rival, differences in against.items():
        if differences:
            mean = sum(differences) / len(differences)
            sign = "higher" if mean > 0 else "lower"
            words = (
                f"Real data: TART's accuracy is on average {abs(mean):.3f} {sign} than "
                f"{_NAMED[rival]}'s; {tally(differences, 'case')} of data, reading and k."
            )
            told.append(Verdict(kind(mean), words))
    return told


def tart_gaps(catalog: Catalog) -> Found | None:
    """What in-context learning lacks, and which part of it is reasoning."""
    found = catalog.rows(
        "SELECT * FROM tart_gaps WHERE embedding = 'leave-one-out' ORDER BY task, base_model, k"
    )
    if not found:
        return None
    shown = ("accuracy_icl", "accuracy_regression", "accuracy_tart", "accuracy_tuned")
    parts = ("gap", "gap_representation", "gap_reasoning", "reasoning_share")
    columns = [Column("task"), Column("base model"), Column("k", True)]
    columns += [
        Column(name.removeprefix("accuracy_").replace("_", " "), True) for name in (*shown, *parts)
    ]
    body = [
        [short(r["task"], 40), short(r["base_model"], 40), r["k"],
         *(number(r[name]) for name in (*shown, *parts))]
        for r in found
    ]  # fmt: skip
    caption = (
        "gap = fine-tuned - in-context = representation (fine-tuned - regression) + reasoning "
        "(regression - in-context), accuracies on leave-one-out representations; empty where a "
        "part was not measured or fine-tuning is not ahead."
    )
    told = []
    known = [r for r in found if r["gap"] is not None]
    if known:
        gap, reasoning = (sum(r[n] for r in known) / len(known) for n in ("gap", "gap_reasoning"))
        larger = reasoning > gap - reasoning
        words = (
            f"In-context learning is {gap:.3f} below fine-tuning on average over "
            f"{counted(len(known), 'case')}; reasoning accounts for {reasoning:.3f} of it, "
            f"{'the larger' if larger else 'not the larger'} part."
        )
        told.append(Verdict("ahead" if larger else "behind", words))
    return Found(
        told, [folded("The gap of in-context learning", table(columns, body)), note(caption)]
    )
