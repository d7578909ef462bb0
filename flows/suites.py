"""A suite from its results to its win rates: the part of the HELM flow that needs no server.

Apart from the flow, so that `headwater aggregate` does not load Prefect.
"""

from data.lake import TableRef
from models.helm.config import SourceConfig, TablesConfig
from tasks.helm import (
    helm_cells,
    helm_columns,
    helm_comparisons,
    helm_costs,
    helm_coverage,
    helm_rows,
    helm_tie_groups,
    helm_win_rates,
    suite_schema,
)
from tasks.helm_derived import helm_recomputed
from tasks.helm_ingest import (
    dismiss_workers,
    helm_files,
    helm_instance_stats,
    helm_predictions,
    helm_runs,
    helm_stats,
    suites,
)
from tasks.produces import results


def aggregate_folder(source: SourceConfig, config: TablesConfig) -> list[TableRef]:
    """Cells and win rates of every suite in a folder of results; the win rates of each."""
    found = suites(source.folder)
    read = [read_suite(helm_files(source.folder, *suite)) for suite in found.items()]
    dismiss_workers()
    schemas = [suite_schema(source.folder, suite, source.schema_file) for suite in found]
    return [
        tabulate(*tables, schema=schema, config=config)
        for tables, schema in zip(read, schemas, strict=True)
    ]


def read_suite(files: TableRef) -> tuple[TableRef, TableRef, TableRef, TableRef]:
    """Runs, stats, instance stats and predictions of one suite, read at once."""
    steps = (helm_instance_stats, helm_stats, helm_predictions, helm_runs)  # the longest first
    instance_stats, stats, predictions, runs = results([step.submit(files) for step in steps])
    return runs, stats, instance_stats, predictions


def tabulate(
    runs: TableRef,
    stats: TableRef,
    instance_stats: TableRef,
    predictions: TableRef,
    *,
    schema: str,
    config: TablesConfig,
) -> TableRef:
    """From what was read or computed of a suite's runs to its win rates."""
    columns = helm_columns(runs, stats, schema)
    rows = helm_rows(runs, stats, schema)
    recomputed = helm_recomputed(instance_stats, stats, columns, config.recomputed)
    cells = helm_cells(columns, rows, stats, recomputed, config.worst)
    if config.beyond:
        helm_comparisons(cells, config)
        helm_tie_groups(cells, config)
    coverage = helm_coverage.submit(cells)
    costs = helm_costs.submit(runs, instance_stats, predictions)
    rates = helm_win_rates(cells, config)
    results([coverage, costs])
    return rates
