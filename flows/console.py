"""Runs, plans and services as seen from a terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from data.lake import Lake, LakeError
from data.lake.catalog import Catalog, refresh
from flows import server
from flows.running import config_for, flow_named
from tasks.settings import home, lake_url, runner, workers

_LOGGERS = ("data", "flows", "models", "tasks")


def run(
    flow: str, profile: str, settings: Sequence[str], *, as_json: bool, asked_at: float
) -> None:
    """`headwater run`: the flow under a server, progress while it works, a summary at the end.

    Raises SystemExit(1) when the run failed, LakeError or CallError when the call cannot work.
    """
    runner(), workers()  # a wrong setting is told before anything starts
    lake = Lake(lake_url())
    lake.check_writable()
    server.configure_client()
    chosen = flow_named(flow)
    config = config_for(flow, profile, settings)
    refresh(lake)
    out = Console(stderr=True)
    with told(out), server.shared_server() as url:
        server.configure_client(url)
        out.print(f"running {flow} ({profile}); watch it at {url}")
        os.environ["HEADWATER_ASKED_AT"] = str(asked_at)
        try:
            run_id, table = call(chosen, config)
        finally:
            server.send_logs()
        report = home() / "report.html"
        _write_report(lake, report)
    summary = _summary(lake, run_id) | {"made": table, "report": str(report), "lake": lake.url}
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=1, default=str) + "\n")
    else:
        _print_summary(summary)


def plan(flow: str, profile: str, settings: Sequence[str]) -> None:
    """`headwater plan`: HIT or MISS for every table, with reasons; nothing runs."""
    server.configure_client()
    from tasks.planning import planning

    chosen, config = flow_named(flow), config_for(flow, profile, settings)
    with planning() as lines:
        chosen(config)
    table = Table("table", "", "rows", "why", box=None)
    for line in lines:
        mark = "[green]HIT[/]" if line.hit else "[yellow]MISS[/]"
        table.add_row(
            line.table, mark, f"{line.rows:,}" if line.hit else "", "\n".join(line.reasons)
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for line in getattr(sys.modules[chosen.fn.__module__], "estimate", lambda _: [])(config):
        print(line)
    hits = sum(line.hit for line in lines)
    print(f"{hits} of {len(lines)} tables HIT" + ("" if hits < len(lines) else ": all HIT"))


def up(port: int) -> None:
    """`headwater up`: server, worker and deployments; returns when all are healthy."""
    Lake(lake_url()).check_writable()
    out = Console()
    with out.status("starting the Prefect server (half a minute the first time)"):
        running = server.ensure_server(port, keep=True)
    with out.status("registering the deployments and starting the worker"):
        server.start_worker(running)
    out.print(f"Prefect UI: {running.url}", highlight=False)
    out.print(f"lake:       {lake_url()}", highlight=False, soft_wrap=True)
    out.print("stop with:  headwater down", highlight=False)


def call(chosen: Any, config: Any) -> tuple[str, str]:
    """Runs the flow: the id of its run and the table it ends in.

    Input errors keep their class, others end with code 1.
    """
    state = chosen(config, return_state=True)
    run_id = str(state.state_details.flow_run_id)
    if state.is_completed():
        return run_id, state.result().table
    error = state.result(raise_on_failure=False)
    if isinstance(error, LakeError):
        raise error
    trace = server.log_file("last-failure")
    trace.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(error, BaseException):
        trace.write_text("".join(traceback.format_exception(error)), "utf-8")
    message = " ".join(f"{type(error).__name__}: {error}".split())
    print(
        f"headwater: the run failed: {message} (trace: {trace}); "
        "what was published before stays valid",
        file=sys.stderr,
    )
    raise SystemExit(1)


def _write_report(lake: Lake, path: Any) -> None:
    from tasks.report import write_report

    write_report(lake, path)


def _summary(lake: Lake, run_id: str) -> dict[str, Any]:
    """The run's row in `runs`, its tables and the best method of every comparison."""
    catalog = Catalog(lake)
    of_run = f"WHERE run_id = '{run_id}'"
    ranked = (
        'SELECT *, rank() OVER (PARTITION BY "group", table_name ORDER BY mean_win_rate DESC) '
        "AS place FROM helm_win_rates WHERE EXISTS "
        f"(SELECT 1 FROM lineage {of_run} AND table_name = 'helm_win_rates')"
    )
    return {
        "run": catalog.rows(f"SELECT * EXCLUDE params FROM runs {of_run}")[0],
        "tables": [
            {"table": c.table, "rows": c.rows, "snapshot": c.snapshot, "found": c.run_id != run_id}
            for row in catalog.rows(
                f"SELECT DISTINCT table_name, snapshot FROM lineage {of_run} ORDER BY ALL"
            )
            for c in catalog.commits(row["table_name"])
            if c.snapshot == row["snapshot"]
        ],
        "best": catalog.rows(
            'SELECT "group", table_name AS family, string_agg("row", \', \' ORDER BY "row") '
            "AS best, any_value(mean_win_rate) AS mean_win_rate, max(n_columns) AS columns "
            f"FROM ({ranked}) WHERE place = 1 GROUP BY ALL ORDER BY ALL"
        ),
        "failed_checks": catalog.rows(
            'SELECT DISTINCT table_name, "check", failures FROM quality WHERE NOT holds AND '
            f"(table_name, snapshot) IN (SELECT table_name, snapshot FROM lineage {of_run})"
        ),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    out, row = Console(width=None if sys.stdout.isatty() else 120), summary["run"]
    tables = Table("table", "rows", "", "snapshot", box=None)
    for entry in summary["tables"]:
        how = "found" if entry["found"] else "computed"
        tables.add_row(entry["table"], f"{entry['rows']:,}", how, entry["snapshot"])
    out.print(tables)
    best = Table("compared", "family", "best method", "mean win rate", "columns", box=None)
    for entry in summary["best"]:
        rate = "" if entry["mean_win_rate"] is None else f"{entry['mean_win_rate']:.2f}"
        best.add_row(entry["group"], entry["family"], entry["best"], rate, str(entry["columns"]))
    if summary["best"]:
        out.print(best)
    for check in summary["failed_checks"]:
        out.print(f"[red]check fails:[/] {check['table_name']}: {check['check']}")
    share = 100 * row["orchestration_seconds"] / max(row["seconds"], 1e-9)
    out.print(
        f"{row['flow']} {row['state'].lower()} in {row['seconds']:.0f} s "
        f"({row['hits']} tables found, {row['misses']} computed; "
        f"{share:.0f} % of the time is start-up and Prefect)"
    )
    query = f'headwater query "SELECT * FROM {summary["made"]}"'
    out.print(f"query it:  {query}", highlight=False)
    out.print(f"report:    {summary['report']}", highlight=False, soft_wrap=True)
    out.print("the UI:    headwater up", highlight=False)


@contextmanager
def told(out: Console) -> Iterator[None]:
    """Log lines of our own packages on the terminal, and a bar per long step when it is one."""
    from tasks.progress import listen

    handler = _Lines(out)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    known: dict[str, Any] = {}

    def show(label: str, done: int, total: int) -> None:
        if label not in known:
            known[label] = bars.add_task(label, total=total)
        bars.update(known[label], completed=done, total=total, visible=done < total)

    listen(show)
    try:
        with bars:
            yield
    finally:
        listen(None)
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)


class _Lines(logging.Handler):
    """Prints through the console that also draws the bars, so that neither tears the other."""

    def __init__(self, out: Console) -> None:
        super().__init__()
        self.out = out

    def emit(self, record: logging.LogRecord) -> None:
        self.out.print(self.format(record), markup=False, highlight=False)
