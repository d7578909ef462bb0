"""The SpaceTime flow as a user runs it: on threads and on Dask, its trials choose, tables agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.lake import Lake

pytestmark = pytest.mark.flow

CHECKOUT = Path(__file__).parents[2]
SMALL = [
    f"--set={setting}"
    for setting in (
        "forecast.lag=72",
        "forecast.horizons=[12]",
        "forecast.seeds=[0]",
        "forecast.train.epochs=1",
        "forecast.train.stride=32",
        "forecast.model.heads=2",
        'forecast.search.settings=[{"lag": 48, "transform": "mean", "learning_rate": 1e-5}, '
        '{"lag": 72, "transform": "seasonal", "learning_rate": 3e-3}]',
        "forecast.search.origins=2",
        "keep_every=50",
    )
]
TIMES = ("train_seconds", "epoch_seconds")


def run(lake: Path, runner: str) -> Lake:
    command = [sys.executable, "-c", "from flows.cli import main; main()", "run", "spacetime"]
    done = subprocess.run(
        [*command, *SMALL, "--runner", runner, "--json"],
        cwd=CHECKOUT,
        env=os.environ | {"HEADWATER_LAKE": str(lake)},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["misses"] > 5
    return Lake(str(lake))


def rows_of(lake: Lake, table: str) -> list[dict]:
    """Rows of every snapshot without the times they took, in an order that is always the same."""
    rows = [row for one in lake.commits(table) for row in lake.reference(one).read().to_pylist()]
    kept = [{name: row[name] for name in row if name not in TIMES} for row in rows]
    return sorted(kept, key=repr)


def test_dask_workers_give_the_tables_that_threads_give(prefect_server, tmp_path):
    on_threads, on_dask = (run(tmp_path / runner, runner) for runner in ("threads", "dask"))
    for table in ("forecaster_trials", "forecasters", "forecast_errors", "forecasts"):
        rows = rows_of(on_threads, table)
        assert rows
        assert rows == rows_of(on_dask, table), table
    errors: dict[int, float] = {}
    for row in rows_of(on_threads, "forecaster_trials"):
        errors[row["lag"]] = errors.get(row["lag"], 1.0) * row["validation_mse"]
    best = min(errors, key=errors.__getitem__)
    assert len(errors) == 2
    assert {row["lag"] for row in rows_of(on_threads, "forecasters")} == {best}
