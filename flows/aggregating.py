"""`headwater aggregate DIR`: anybody's HELM, lm-eval or inspect results into cells and win rates.

Done in this process, without a server: most suites take seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.lake import Lake
from data.lake.catalog import Catalog, refresh
from data.lake.tables.house import Lineage
from flows import server
from tasks.settings import lake_url

_SHOWN = 12
_PIPE_WIDTH = 120


def aggregate(
    folder: Path, schema: Path | None, worst: str, ties: str, output: Path | None, *, bare: bool
) -> None:
    """Reads the results in `folder`, aggregates every suite and prints what there is to query.

    schema: YAML or JSON in HELM's form instead of the suite's own. output: a folder to write the
    tables to, in HELM's layout. bare: nothing beyond what helm-summarize computes.
    Raises ValueError for a folder without results or a wrong schema.
    """
    server.configure_client()
    from flows.suites import aggregate_folder
    from models.helm.config import SourceConfig, TablesConfig
    from tasks.lean import without_pandas
    from tasks.provenance import alone
    from tasks.records import publish_record
    from tasks.runs import lineage_rows, used

    without_pandas()
    lake = Lake(lake_url())
    lake.check_writable()
    source = SourceConfig(folder=str(folder), schema_file=str(schema or ""))
    config = TablesConfig.model_validate({"worst": worst, "ties": ties, "beyond": not bare})
    with alone() as run_id:
        rates = aggregate_folder(source, config)
        publish_record(Lineage, lineage_rows(lake, used(run_id), run_id), run_id)
        made = used(run_id)
    refresh(lake)
    catalog = Catalog(lake)
    out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    for ref in rates:
        suite = lake.commit_of(ref).partition["suite"]
        _print_suite(out, catalog, suite)
        if output is not None:
            from tasks.helm import suite_schema
            from tasks.helm_export import export

            export(
                catalog,
                suite,
                output / suite,
                suite_schema(source.folder, suite, source.schema_file),
            )
            out.print(f"HELM's layout written to {output / suite}", highlight=False)
    found = sum(ref.hit for ref in made)
    out.print(f"{len(made)} tables: {found} found, {len(made) - found} computed", highlight=False)
    bad = catalog.rows(f"SELECT item, reason FROM quarantine WHERE run_id = '{run_id}'")
    for row in bad[:_SHOWN]:
        out.print(f"set aside: {row['item']}: {row['reason']}", markup=False, highlight=False)
    if len(bad) > _SHOWN:
        out.print(f"... {len(bad) - _SHOWN} more: SELECT * FROM quarantine", highlight=False)
    out.print(
        'query it:  headwater query "SELECT * FROM helm_win_rates"', highlight=False, markup=False
    )


def _print_suite(out: Console, catalog: Catalog, suite: str) -> None:
    """The suite's size and the win rates of its broadest table of accuracy."""
    quoted = suite.replace("'", "''")
    size = catalog.rows(
        f"SELECT count(*) AS cells, count(value) AS filled FROM helm_cells WHERE suite = '{quoted}'"
    )[0]
    out.print(
        f"{suite}: {size['filled']:,} of {size['cells']:,} cells have a value", highlight=False
    )
    rows = catalog.rows(
        "SELECT * EXCLUDE n FROM ("
        ' SELECT "group", "row", mean_win_rate, low, high, tie_group, n_columns,'
        ' max(n_columns) OVER (PARTITION BY "group") AS n'
        ' FROM helm_win_rates LEFT JOIN helm_tie_groups USING (suite, "group", table_name, "row")'
        f" WHERE suite = '{quoted}' AND table_name = 'accuracy' AND mean_win_rate IS NOT NULL)"
        ' QUALIFY dense_rank() OVER (ORDER BY n DESC, "group") = 1'
        f' ORDER BY mean_win_rate DESC, "row" LIMIT {_SHOWN}'
    )
    if rows:
        out.print(_listing(rows))


def _listing(rows: Sequence[Mapping[str, Any]]) -> Table:
    title = f"{rows[0]['group']}, accuracy"
    table = Table(title, "mean win rate", "95 % interval", "tie group", "columns", box=None)
    for row in rows:
        interval = "-" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        table.add_row(
            row["row"], f"{row['mean_win_rate']:.3f}", interval, str(row["tie_group"] or "-"),
            str(row["n_columns"]),
        )  # fmt: skip
    return table
