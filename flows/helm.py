"""HELM: models evaluated holistically, anybody's results aggregated, all of it in tables of cells.

folder of results -> helm_files -> helm_runs, helm_stats, helm_instance_stats, helm_predictions
schema + helm_runs -> helm_columns, helm_rows
helm_instance_stats -> helm_recomputed
all of these -> helm_cells -> helm_win_rates, helm_tie_groups, helm_comparisons

extraction_scores, tart_scores, forecast_scores -> helm_cells -> helm_win_rates   (the lab's own)
"""

from pydantic import BaseModel

from data.lake import Lake, LakeError, TableRef
from models.helm.config import SourceConfig, TablesConfig
from tasks.helm import (
    helm_cells,
    helm_columns,
    helm_comparisons,
    helm_costs,
    helm_recomputed,
    helm_rows,
    helm_tie_groups,
    helm_win_rates,
    lab_cells,
    suite_schema,
)
from tasks.helm_ingest import (
    helm_files,
    helm_instance_stats,
    helm_predictions,
    helm_runs,
    helm_stats,
    suites,
)
from tasks.pipeline import pipeline
from tasks.settings import lake_url

_SCORES = ("extraction_scores", "tart_scores", "forecast_scores")


class HelmConfig(BaseModel, frozen=True, extra="forbid"):
    """Results to aggregate; without a folder, the latest scores of the lab's systems."""

    source: SourceConfig = SourceConfig()
    tables: TablesConfig = TablesConfig()


PROFILES = {name: HelmConfig() for name in ("quick", "standard", "paper")}


@pipeline("helm")
def helm(config: HelmConfig = PROFILES["quick"]) -> TableRef:
    """Aggregates a folder of results, or the latest scores of every system that has been run."""
    if config.source.folder:
        return aggregate_folder(config.source, config.tables)[-1]
    return aggregate(*(_latest(name) for name in _SCORES))


def aggregate(extraction: TableRef, tart: TableRef, forecasts: TableRef) -> TableRef:
    """Cells and win rates over these scores of our own systems."""
    cells = lab_cells(extraction, tart, forecasts)
    return helm_win_rates(cells, TablesConfig())


def aggregate_folder(source: SourceConfig, config: TablesConfig) -> list[TableRef]:
    """Cells and win rates of every suite in a folder of results; the win rates of each."""
    return [
        aggregate_suite(
            helm_files(source.folder, suite, digest),
            suite_schema(source.folder, suite, source.schema_file),
            config,
        )
        for suite, digest in suites(source.folder).items()
    ]


def aggregate_suite(files: TableRef, schema: str, config: TablesConfig) -> TableRef:
    """One suite's files through to its win rates."""
    runs = helm_runs(files)
    stats = helm_stats(files)
    instance_stats = helm_instance_stats(files)
    predictions = helm_predictions(files)
    columns = helm_columns(files, runs, stats, schema)
    rows = helm_rows(files, runs, stats, schema)
    recomputed = helm_recomputed(instance_stats, stats, columns, config.worst, config.recompute)
    cells = helm_cells(columns, rows, stats, recomputed, config.worst)
    helm_comparisons(cells, config)
    helm_tie_groups(cells, config)
    helm_costs(runs, instance_stats, predictions)
    return helm_win_rates(cells, config)


def _latest(table: str) -> TableRef:
    lake = Lake(lake_url())
    commits = lake.commits(table)
    if not commits:
        raise LakeError(f"table {table} has no snapshot yet: run the flow that scores it first")
    return lake.reference(commits[-1])
