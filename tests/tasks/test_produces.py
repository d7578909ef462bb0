"""Steps under a real Prefect server."""

import base64
import logging
import re
from pathlib import Path

import pytest

from data.lake import ContractError, Lake
from data.lake.catalog import Catalog
from tests.tasks.toy import ToyConfig, batches, inner, toy, twice

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def config(tmp_path):
    return ToyConfig(log=str(tmp_path / "log"))


def ran(config):
    return Path(config.log).read_text().split()


def records(lake_url):
    return len(Lake(lake_url).commits("measurements"))


def test_a_second_run_finds_every_table(config, lake_url):
    first = toy(config)
    second = toy(config)
    assert (first, first.hit, second.hit) == (second, False, True)
    assert ran(config) == ["cold", "warm"]
    assert records(lake_url) == 2


def test_hits_are_called_cached_in_the_ui(config):
    from prefect.client.orchestration import get_client

    toy(config)
    state = toy(config, return_state=True)
    with get_client(sync_client=True) as client:
        from prefect.client.schemas.filters import FlowRunFilter

        [task] = [
            task
            for task in client.read_task_runs(
                flow_run_filter=FlowRunFilter(id={"any_": [state.state_details.flow_run_id]})
            )
            if task.name.startswith("measurements")
        ]
    assert task.state.name == "Cached"


def test_of_many_batches_only_the_new_ones_become_tasks(config, lake_url):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    batches(config)
    state = batches(config.model_copy(update={"rows": 4}), return_state=True)
    refs = state.result()
    assert [(ref.rows, ref.hit) for ref in refs] == [(1, True), (2, True), (3, True), (4, False)]
    with get_client(sync_client=True) as client:
        run = FlowRunFilter(id={"any_": [state.state_details.flow_run_id]})
        tasks = client.read_task_runs(flow_run_filter=run)
    assert [task.state.name for task in tasks] == ["Completed"]
    [row] = Catalog(Lake(lake_url)).rows("SELECT hits, misses FROM runs WHERE hits > 0")
    assert row == {"hits": 3, "misses": 1}


@pytest.mark.parametrize("how", ["altered", "gone"])
def test_a_damaged_table_is_computed_anew_and_the_log_says_so(config, lake_url, caplog, how):
    ref = inner(config)
    lake = Lake(lake_url)
    part = Path(lake.paths(lake.commit_of(ref))[0])
    part.unlink() if how == "gone" else part.write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        anew = inner(config)
    assert anew.snapshot != ref.snapshot
    assert f"{part}" in caplog.text
    assert "computing it anew" in caplog.text
    assert ran(config) == ["cold", "cold"]
    assert [damage for _, damage in lake.verify() if damage] == []


def test_one_table_wanted_twice_at_once_is_computed_once(config, lake_url):
    one, other = twice(config.model_copy(update={"seconds": 1.0}))
    assert one == other
    assert sorted([one.hit, other.hit]) == [False, True]
    assert ran(config) == ["cold"]


def test_a_passing_failure_of_input_is_tried_again(config):
    assert inner(config.model_copy(update={"error": "io", "errors": 1})).rows == 3
    assert ran(config) == ["cold", "cold"]


@pytest.mark.parametrize(("error", "kind"), [("value", ValueError), ("lasting", PermissionError)])
def test_any_other_failure_is_final(config, error, kind):
    with pytest.raises(kind, match="as told"):
        inner(config.model_copy(update={"error": error, "errors": 9}))
    assert ran(config) == ["cold"]


def test_rows_that_break_the_contract_are_not_published(config, lake_url):
    with pytest.raises(ContractError, match="column celsius"):
        toy(config.model_copy(update={"celsius": -100.0}))
    assert records(lake_url) == 1


def test_a_run_records_itself(config, lake_url):
    state = toy(config.model_copy(update={"seconds": 0.4}), return_state=True)
    run_id = str(state.state_details.flow_run_id)
    catalog = Catalog(Lake(lake_url))
    [run] = catalog.query(
        "SELECT run_id, flow, profile, state, hits, misses, seconds, orchestration_seconds "
        "FROM runs"
    ).fetchall()
    assert run[:6] == (run_id, "toy", "quick+", "Completed", 0, 2)
    assert 0 < run[7] < run[6] - 0.4, "the steps' own time is not orchestration"
    lineage = catalog.query("SELECT table_name, input_table FROM lineage ORDER BY 2").fetchall()
    assert sorted(lineage, key=str) == [
        ("measurements", "measurements"),
        ("measurements", None),
    ]
    assert all(run_id == commit.run_id for commit in Lake(lake_url).commits("measurements"))


def test_a_failed_run_is_recorded_as_failed(config, lake_url):
    inner(config.model_copy(update={"error": "value", "errors": 9}), return_state=True)
    assert Catalog(Lake(lake_url)).query("SELECT flow, state FROM runs").fetchall() == [
        ("toy-inner", "Failed")
    ]


def test_a_run_shows_its_tables_and_lineage_in_the_ui(config):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    toy(config.model_copy(update={"seconds": 2.4}))
    wanted = ["measurements", "lineage-toy", "progress-cold"]
    with get_client(sync_client=True) as client:
        chosen = ArtifactFilter(key=ArtifactFilterKey(any_=wanted))
        listed = client.read_artifacts(artifact_filter=chosen, sort=ArtifactSort.CREATED_DESC)
    found = {artifact.key: artifact for artifact in reversed(listed)}
    assert "3 rows" in found["measurements"].description
    assert "measurements --> measurements" in found["lineage-toy"].data
    picture = re.search(r"base64,([\w+/=]+)\)", found["lineage-toy"].data)[1]
    assert ">measurements</text>" in base64.b64decode(picture).decode()
    assert found["progress-cold"].type == "progress"
