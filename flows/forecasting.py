"""`headwater forecast FILE`: anybody's series checked, repaired, forecast with intervals.

Done in this process, without a server, so that the first forecast is there within a minute or two.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from data.lake import Lake
from data.lake.catalog import Catalog, refresh
from data.lake.tables.house import Lineage
from flows import server
from flows.console import told
from flows.errors import CallError
from tasks.settings import lake_url

_SHOWN = 10
_PIPE_WIDTH = 120


class Call(NamedTuple):
    """The command line of `headwater forecast`."""

    file: Path
    target: str
    horizon: int
    time: str | None
    group: str | None
    covariates: str
    season: int | None
    calendar: bool
    coverage: float
    seconds: float
    output: Path | None


def forecast(call: Call) -> None:
    """Forecasts a file's column, prints what was repaired, who was best, and the first steps.

    Raises ValueError or CallError, before anything is published, for a file that cannot be used.
    """
    if call.output is not None and call.output.suffix not in (".csv", ".parquet"):
        raise CallError(f"--output {call.output}: write a .csv or a .parquet file")
    server.configure_client()
    from models.spacetime.future_config import FutureConfig
    from tasks.provenance import alone
    from tasks.records import publish_record
    from tasks.runs import lineage_rows, used
    from tasks.user_series import file_config, user_forecasts, user_series

    lake = Lake(lake_url())
    lake.check_writable()
    if call.horizon < 1 or not 0 < call.coverage < 1 or call.seconds <= 0:
        raise CallError("--horizon and --seconds must be above 0, --coverage between 0 and 1")
    config = FutureConfig(
        horizon=call.horizon,
        season=call.season,
        coverage=call.coverage,
        calendar=call.calendar,
        seconds=call.seconds,
    )
    file = file_config(
        call.file,
        call.target,
        time=call.time,
        group=call.group,
        covariates=tuple(name.strip() for name in call.covariates.split(",") if name.strip()),
    )
    out = Console(stderr=True)
    with told(out), alone() as run_id:
        made = user_forecasts(user_series(file, file.source, config), config)
        publish_record(Lineage, lineage_rows(lake, used(run_id), run_id), run_id)
    refresh(lake)
    catalog = Catalog(lake)
    where = f"WHERE source = '{file.source.replace(chr(39), chr(39) * 2)}'"
    if call.output is not None:
        _write(made.read(), call.output)
        out.print(f"every step written to {call.output}", highlight=False)
    _print(catalog, where, call)


def _write(rows: object, output: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    chosen = rows.filter(pc.field("chosen"))  # type: ignore[attr-defined]
    try:
        if output.suffix == ".csv":
            pyarrow.csv.write_csv(chosen, output)
        else:
            pq.write_table(chosen, output)
    except OSError as error:
        raise CallError(f"cannot write {output}: {error.strerror}") from error


def _print(catalog: Catalog, where: str, call: Call) -> None:
    out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    models = Table("forecaster", "validation error (MSE, standardised)", "", box=None)
    for row in catalog.rows(
        "SELECT model, any_value(validation_mse) AS error, any_value(chosen) AS chosen "
        f"FROM user_forecasts {where} GROUP BY model ORDER BY error, model"
    ):
        models.add_row(row["model"], f"{row['error']:.4g}", "chosen" if row["chosen"] else "")
    out.print(models)
    steps = Table(
        "group", "step", "time (UTC)", call.target, f"{call.coverage:.0%} interval", box=None
    )
    rows = catalog.rows(
        'SELECT "group", step, time, yhat, lower, upper FROM user_forecasts '
        f'{where} AND chosen ORDER BY "group", step LIMIT {_SHOWN}'
    )
    for row in rows:
        stamp = "" if row["time"] is None else f"{row['time']:%Y-%m-%d %H:%M}"
        steps.add_row(
            row["group"], str(row["step"]), stamp, f"{row['yhat']:.5g}",
            f"{row['lower']:.5g} to {row['upper']:.5g}",
        )  # fmt: skip
    out.print(steps)
    out.print(
        'query it:  headwater query "SELECT * FROM user_forecasts WHERE chosen"',
        highlight=False,
        markup=False,
    )
