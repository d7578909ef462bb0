"""A suite's tables as the files that HELM's own web front end reads.

    <folder>/groups/<group>.json, groups/json/<group>_<table>.json
    <folder>/groups.json, groups_metadata.json, schema.json, summary.json, costs.json
    <folder>/runs.json, run_specs.json, runs_to_run_suites.json
    <folder>/<run>/run_spec.json, scenario.json, scenario_state.json, stats.json,
        per_instance_stats.json                                       of our own evaluations

What is written of a run is what is read again: ingesting the folder gives the same cells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from data.lake.catalog import Catalog
from models.helm.schema import Schema

Row = Mapping[str, Any]


def export(catalog: Catalog, suite: str, folder: Path, schema: str) -> None:
    """Writes the suite's tables, and its runs where they are our own, under `folder`.

    schema: the suite's, as JSON. Raises ValueError when the suite is not in the lake.
    """
    of_suite = "WHERE suite = '" + suite.replace("'", "''") + "'"
    runs = catalog.rows(f"SELECT * FROM helm_runs {of_suite} ORDER BY run")
    if not runs:
        raise ValueError(
            f"no suite {suite!r} in the lake: see SELECT DISTINCT suite FROM helm_runs"
        )
    stats = catalog.rows(f"SELECT * FROM helm_stats {of_suite} ORDER BY ALL")
    stats_of = {run: list(rows) for run, rows in groupby(stats, key=lambda row: row["run"])}
    specs = {row["run"]: _run_spec(row) for row in runs}
    for row in catalog.rows(f"SELECT * FROM helm_documents {of_suite}"):
        if row["kind"] != "corpus_stats":
            _write(folder / row["run"] / f"{row['kind']}.json", orjson.loads(row["content"]))
    for run in {row["run"] for row in catalog.rows(f"SELECT run FROM helm_documents {of_suite}")}:
        _write(folder / run / "stats.json", [_stat(row) for row in stats_of.get(run, [])])
    _write_tables(catalog, of_suite, folder)
    described = Schema.model_validate_json(schema)
    _write(folder / "schema.json", json.loads(schema))
    _write(
        folder / "groups_metadata.json",
        {group.name: {"display_name": group.display_name} for group in described.run_groups},
    )
    _write(folder / "groups.json", _index(described, runs))
    _write(folder / "run_specs.json", list(specs.values()))
    _write(folder / "runs_to_run_suites.json", {row["run"]: suite for row in runs})
    _write(
        folder / "runs.json",
        [
            {
                "run_path": str(folder / run),
                "run_spec": spec,
                "stats": [_stat(row) for row in stats_of.get(run, [])],
            }
            for run, spec in specs.items()
        ],
    )
    costs = catalog.rows(f"SELECT * EXCLUDE suite FROM helm_costs {of_suite}")
    _write(folder / "costs.json", {row["model"]: _cost(row) for row in costs})
    newest = max(c.committed_at for c in catalog.shown("helm_cells"))[:10]
    _write(folder / "summary.json", {"suite": suite, "suites": [suite], "date": newest})


def _write_tables(catalog: Catalog, of_suite: str, folder: Path) -> None:
    cells = catalog.rows(
        f'SELECT * FROM helm_cells {of_suite} ORDER BY "group", table_name, row_position, '
        "column_position"
    )
    rates = {
        (row["group"], row["table_name"], row["row_position"]): row["mean_win_rate"]
        for row in catalog.rows(f"SELECT * FROM helm_win_rates {of_suite}")
    }
    order = {
        (row["group"], row["table_name"]): row["place"]
        for row in catalog.rows(
            'SELECT "group", table_name, min(table_position) AS place FROM helm_columns '
            f"{of_suite} GROUP BY ALL"
        )
    }
    for group, of_group in groupby(cells, key=lambda row: row["group"]):
        tables = {
            name: _table(list(members), rates)
            for name, members in groupby(of_group, key=lambda row: row["table_name"])
        }
        ordered = sorted(tables, key=lambda name: order.get((group, name), 0))
        _write(folder / "groups" / f"{_file(group)}.json", [tables[name] for name in ordered])
        for name in ordered:
            _write(folder / "groups" / "json" / f"{_file(f'{group}_{name}')}.json", tables[name])


def _table(cells: Sequence[Row], rates: Mapping[tuple[str, str, int], float | None]) -> Row:
    """A Table of HELM: header cells, rows of cells, the best of each column in bold."""
    columns = {row["column_position"]: row for row in cells}
    header: list[Row] = [{"value": "Model", "markdown": False, "metadata": {}}]
    with_rates = "win_rate" in cells[0]["strategies"]
    if with_rates:
        words = "How many models this model outperforms on average (over columns)."
        header.append(_header("Mean win rate", words, lower=False))
    for row in columns.values():
        metadata = {"metric": row["metric"], "run_group": row["run_group"]}
        if row["perturbation"]:
            metadata["perturbation"] = row["perturbation"]
        header.append(
            _header(row["column"], row["metric"], lower=row["lower_is_better"], metadata=metadata)
        )
    best = {position: _best(cells, position) for position in columns}
    body = []
    for position, members in groupby(cells, key=lambda row: row["row_position"]):
        here = list(members)
        line: list[Row] = [{"value": here[0]["row"], "description": "", "markdown": False}]
        if with_rates:
            key = (here[0]["group"], here[0]["table_name"], position)
            line.append(_without_none({"value": rates.get(key), "markdown": False}))
        line += [_cell(row, best[row["column_position"]]) for row in here]
        body.append(line)
    return {
        "title": cells[0]["table_title"],
        "header": header,
        "rows": body,
        "links": [],
        "name": cells[0]["table_name"],
    }


def _header(
    value: str, description: str, *, lower: bool | None, metadata: Row | None = None
) -> Row:
    whole = {"value": value, "description": description, "lower_is_better": lower}
    return _without_none(whole | {"markdown": False, "metadata": dict(metadata or {})})


def _cell(row: Row, best: float | None) -> Row:
    style = {"font-weight": "bold"} if row["value"] is not None and row["value"] == best else {}
    return _without_none(
        {
            "value": row["value"],
            "description": row["reason"] or f"mean over {row['trials']} trials",
            "style": style,
            "markdown": False,
            "run_spec_names": row["runs"],
        }
    )


def _best(cells: Sequence[Row], position: int) -> float | None:
    values = [r["value"] for r in cells if r["column_position"] == position]
    known = [value for value in values if value is not None]
    lower = next(r["lower_is_better"] for r in cells if r["column_position"] == position)
    return None if lower is None or not known else (min if lower else max)(known)


def _index(schema: Schema, runs: Sequence[Row]) -> list[Row]:
    """The front page: a table a category, a row a group with the number of its models."""
    header = [{"value": name, "markdown": False} for name in ("Group", "Description", "# models")]
    tables: list[Row] = []
    for category in dict.fromkeys(group.category for group in schema.run_groups):
        body = []
        for group in schema.run_groups:
            if group.category == category:
                below = _below(schema, group.name)
                models = {run["model"] for run in runs if below & set(run["groups"])}
                link = f"?group={group.name}"
                first = {"value": group.display_name or group.name, "href": link, "markdown": False}
                words = {"value": group.description or "", "markdown": True}
                body.append([first, words, {"value": len(models), "markdown": False}])
        tables.append({"title": category, "header": header, "rows": body, "links": []})
    return tables


def _below(schema: Schema, name: str) -> set[str]:
    found: set[str] = set()
    pending = [name]
    while pending:
        one = pending.pop()
        group = schema.run_group(one)
        if one not in found and group is not None:
            found.add(one)
            pending += group.subgroups
    return found


def _run_spec(row: Row) -> Row:
    return {
        "name": row["spec_name"],
        "scenario_spec": {
            "class_name": row["scenario_class"],
            "args": json.loads(row["scenario_args"]),
        },
        "adapter_spec": json.loads(row["adapter"]),
        "metric_specs": json.loads(row["metrics"]),
        "groups": row["groups"],
    }


def _stat(row: Row) -> Row:
    name = {"name": row["metric"], "split": row["split"], "sub_split": row["sub_split"]}
    if row["perturbation_json"]:
        name["perturbation"] = json.loads(row["perturbation_json"])
    stat = {"name": _without_none(name)}
    stat |= {key: row[key] for key in ("count", "sum", "sum_squared", "min", "max", "mean")}
    if row["count"]:
        variance = max(0.0, row["sum_squared"] / row["count"] - row["mean"] ** 2)
        stat |= {"variance": variance, "stddev": variance**0.5}
    return _without_none(stat)


def _cost(row: Row) -> Row:
    return {
        "num_prompt_tokens": row["prompt_tokens"],
        "num_completion_tokens": row["completion_tokens"],
        "total_tokens": row["prompt_tokens"] + row["completion_tokens"],
        "num_requests": row["requests"],
    }


def _without_none(values: Row) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _file(name: str) -> str:
    return name.replace("/", "_")


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
