"""Steps of HELM's aggregation: results of any evaluation become cells, cells become win rates.

The statements are the .sql files beside this module; reading the results is tasks/helm_ingest.py.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from data.lake import TableRef
from data.lake.catalog import run_sql
from data.lake.tables import helm_results as tables
from models.helm.config import TablesConfig, Worst
from models.helm.files import find_files
from models.helm.layout import TablePlan, plan_tables
from models.helm.runs import Run
from models.helm.schema import Schema, completed, read_schema
from tasks.produces import produces

if TYPE_CHECKING:
    from models.helm.inference import Scores

log = logging.getLogger(__name__)

_TABLE = ("suite", "group", "table_name")
_NO_RUN: Sequence[Run | None] = (None,)  # a row without runs is a row all the same


@produces("helm_columns", version=1)
def helm_columns(runs: TableRef, stats: TableRef, schema: str) -> pa.Table:
    """Columns of every table that the schema and the runs make."""
    suite = _suite(runs)
    rows = [
        {
            "suite": suite,
            "group": table.group,
            "table_name": table.name,
            "table_title": table.title,
            "table_position": number,
            "strategies": list(table.strategies),
            "position": position,
            "column": column.heading,
            "run_group": column.run_group,
            "metric": column.matcher.name,
            "split": column.matcher.split,
            "sub_split": column.matcher.sub_split,
            "perturbation": column.matcher.perturbation_name,
            "lower_is_better": column.lower_is_better,
        }
        for number, table in enumerate(_plan(runs, stats, schema))
        for position, column in enumerate(table.columns)
    ]
    return pa.Table.from_pylist(rows, schema=tables.HelmColumns.arrow_schema())


@produces("helm_rows", version=1)
def helm_rows(runs: TableRef, stats: TableRef, schema: str) -> pa.Table:
    """Rows of the same tables with the runs behind them."""
    suite = _suite(runs)
    rows = [
        {
            "suite": suite,
            "group": table.group,
            "table_name": table.name,
            "position": position,
            "row": row.label,
            "model": row.model,
            "run": run.name if run else None,
            "run_groups": list(run.groups) if run else [],
        }
        for table in _plan(runs, stats, schema)
        for position, row in enumerate(table.rows)
        for run in (row.runs or _NO_RUN)
    ]
    return pa.Table.from_pylist(rows, schema=tables.HelmRows.arrow_schema())


@produces("helm_cells", version=3)
def helm_cells(
    columns: TableRef, rows: TableRef, stats: TableRef, recomputed: TableRef, worst: Worst
) -> pa.Table:
    """Every cell of every table of a suite, as helm-summarize has it."""
    found = run_sql(
        sql("helm_cells.sql", worst),
        {
            "helm_columns": columns,
            "helm_rows": rows,
            "helm_stats": stats,
            "helm_recomputed": recomputed,
        },
    )
    # Sorted here, because DuckDB would hold all of it a second time for that.
    by = ("group", "table_name", "row_position", "column_position")
    return found.sort_by([(name, "ascending") for name in by])


@produces("helm_cells", version=3)
def lab_cells(
    extraction_scores: TableRef, tart_scores: TableRef, forecast_scores: TableRef
) -> pa.Table:
    """Scenario x metric x method cells over everything that Headwater's own systems scored."""
    return run_sql(
        sql("helm_lab_cells.sql"),
        {
            "extraction_scores": extraction_scores,
            "tart_scores": tart_scores,
            "forecast_scores": forecast_scores,
        },
    )


@produces("helm_win_rates", version=2)
def helm_win_rates(helm_cells: TableRef, config: TablesConfig) -> pa.Table:
    """Mean win rate of every method in its group, with an interval over columns."""
    from models.helm.inference import bootstrap_mean

    statement = f"CREATE MACRO legacy_ties() AS {config.ties == 'legacy'}; "
    found = run_sql(statement + sql("helm_win_rates.sql"), {"helm_cells": helm_cells})
    intervals = [
        bootstrap_mean(rates, config.draws, config.seed)
        if rates and config.beyond
        else (None, None)
        for rates in found["rates"].to_pylist()
    ]
    for number, name in enumerate(("low", "high")):
        found = found.append_column(name, pa.array([i[number] for i in intervals], pa.float64()))
    return found.drop_columns("rates")


@produces("helm_comparisons", version=1)
def helm_comparisons(helm_cells: TableRef, config: TablesConfig) -> pa.Table:
    """Every two methods of a table, compared over the columns that both have."""
    from models.helm.inference import compare

    found = [
        dict(key) | vars(comparison)
        for key, scores in _by_table(helm_cells)
        for comparison in compare(scores, config.draws, config.seed)
    ]
    return pa.Table.from_pylist(found, schema=tables.HelmComparisons.arrow_schema())


@produces("helm_tie_groups", version=1)
def helm_tie_groups(helm_cells: TableRef, config: TablesConfig) -> pa.Table:
    """Rows of a table that no paired test tells from the best of their group."""
    from models.helm.inference import tie_groups

    found = [
        dict(key) | {"row": row, "tie_group": number}
        for key, scores in _by_table(helm_cells)
        for row, number in tie_groups(scores, config.seed).items()
    ]
    return pa.Table.from_pylist(found, schema=tables.HelmTieGroups.arrow_schema())


@produces("helm_costs", version=1)
def helm_costs(runs: TableRef, instance_stats: TableRef, predictions: TableRef) -> pa.Table:
    """Requests, tokens and seconds of every model."""
    return run_sql(
        sql("helm_costs.sql"),
        {
            "helm_runs": runs,
            "helm_instance_stats": instance_stats,
            "helm_predictions": predictions,
        },
    )


@produces("helm_coverage", version=1)
def helm_coverage(helm_cells: TableRef) -> pa.Table:
    """How many of the scenarios a family of metrics is defined for have a value, by model."""
    found = run_sql(sql("helm_coverage.sql"), {"helm_cells": helm_cells})
    cells, measured = (pc.sum(found[name]).as_py() or 0 for name in ("cells", "measured"))
    log.info("%s of %s scenario x metric cells measured", f"{measured:,}", f"{cells:,}")
    return found


def suite_schema(folder: str, suite: str, given: str) -> str:
    """The schema of a suite as JSON text: the user's file, else the suite's own, else ours.

    folder: where the suite was read from; empty for our own evaluations.
    Raises ValueError when the file is wrong.
    """
    from models.helm.default_schema import DEFAULT

    if given:
        return _as_json(read_schema(Path(given)))
    found = find_files(Path(folder))[0] if folder else []
    own = [file.path for file in found if file.kind == "schema" and file.suite == suite]
    return _as_json(read_schema(own[0]) if own else DEFAULT)


def _as_json(schema: Schema) -> str:
    return schema.model_dump_json(exclude_defaults=True)


@functools.lru_cache(maxsize=1)
def _plan(runs: TableRef, stats: TableRef, schema: str) -> Sequence[TablePlan]:
    """The suite's tables; kept, because columns and rows of one plan are two tables."""
    listed = runs.read().sort_by("run").to_pylist()
    metrics = run_sql(
        "SELECT r.g AS name, list(DISTINCT s.metric) AS metrics "
        "FROM (SELECT run, unnest(groups) AS g FROM helm_runs) AS r "
        "JOIN helm_stats AS s USING (run) GROUP BY ALL",
        {"helm_runs": runs, "helm_stats": stats},
    )
    by_group = {row["name"]: sorted(row["metrics"]) for row in metrics.to_pylist()}
    groups = [group for row in listed for group in row["groups"]]
    whole = Schema.model_validate_json(schema)
    if whole.open:
        whole = completed(whole, groups, by_group)
    return tuple(plan_tables(whole, [_run(row) for row in listed]))


def _run(row: dict[str, Any]) -> Run:
    arguments = json.loads(row["scenario_args"])
    return Run(
        name=row["run"],
        groups=row["groups"],
        model=row["model"],
        adapter=json.loads(row["adapter"]),
        scenario=f"{row['scenario_class']} {json.dumps(arguments, sort_keys=True)}",
        scenario_args=arguments,
    )


@functools.lru_cache(maxsize=1)
def _by_table(helm_cells: TableRef) -> Sequence[tuple[Mapping[str, str], Scores]]:
    """Every table that rows are compared in, with its scores; kept for the next step."""
    cells = helm_cells.read(
        [*_TABLE, "row", "column_position", "lower_is_better", "value", "strategies"]
    )
    wanted = pc.and_(
        pc.greater(pc.list_value_length(cells["strategies"]), 0),
        pc.is_valid(cells["lower_is_better"]),
    )
    found: dict[tuple[str, ...], dict[int, dict[str, float]]] = {}
    for cell in cells.filter(wanted).drop_columns("strategies").to_pylist():
        columns = found.setdefault(tuple(cell[name] for name in _TABLE), {})
        if cell["value"] is not None:
            value = -cell["value"] if cell["lower_is_better"] else cell["value"]
            columns.setdefault(cell["column_position"], {})[cell["row"]] = value
    return [(dict(zip(_TABLE, key, strict=True)), columns) for key, columns in found.items()]


def _suite(ref: TableRef) -> str:
    from data.lake import Lake

    return Lake(ref.lake).commit_of(ref).partition["suite"]


def sql(name: str, worst: Worst = "minimum") -> str:
    """A statement of this folder, with the one switch that statements know."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    return f"CREATE MACRO by_direction() AS {worst == 'direction'}; {text}"
