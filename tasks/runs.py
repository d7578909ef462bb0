"""What a run says about itself: tables `runs`, `lineage` and `quality`, one partition a run.

The steps' references are collected in the flow's process as they come back; the outermost flow
publishes lineage and quality when its work is done, and a hook publishes the row in `runs`
whatever the end was.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.lake import Lake, TableRef
from data.lake.catalog import refresh
from data.lake.tables.house import Lineage, Quality, Runs
from tasks.provenance import cores, git_commit, root_run_id
from tasks.quality import check_table
from tasks.records import publish_record
from tasks.settings import lake_url

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State
    from pydantic import BaseModel

log = logging.getLogger(__name__)

# When the process was asked to run, where a caller knows it better than the flow does [s].
ASKED_AT = "HEADWATER_ASKED_AT"

_FROM_OUTSIDE: list[list[Any]] = [[None, None]]

_used: dict[str, list[TableRef]] = {}
_started: dict[str, float] = {}


def begin(run_id: str) -> None:
    """Starts the record of an outermost flow run."""
    _used[run_id] = []
    _started[run_id] = float(os.environ.pop(ASKED_AT, time.time()))


def finished(ref: TableRef) -> TableRef:
    """Adds a step's table to the record of the run around it."""
    _used.setdefault(root_run_id(), []).append(ref)
    return ref


def used(run_id: str) -> list[TableRef]:
    """Tables of the run so far, each snapshot once, in the order they came."""
    return list({(ref.table, ref.snapshot): ref for ref in _used.get(run_id, [])}.values())


def publish_lineage_and_quality(run_id: str) -> None:
    """Table `lineage` over all tables that a run used, `quality` over those not checked before."""
    lake, refs = Lake(lake_url()), used(run_id)
    if not refs:
        return
    publish_record(Lineage, lineage_rows(lake, refs, run_id), run_id)
    checked = _checked(lake) if any(ref.hit for ref in refs) else set()
    unchecked = [ref for ref in refs if ref.snapshot not in checked]
    publish_record(Quality, [row for ref in unchecked for row in check_table(ref, run_id)], run_id)


def _checked(lake: Lake) -> set[str]:
    """Snapshots that an earlier run has checked: they cannot have changed since."""
    return {
        snapshot
        for commit in lake.commits(Quality.table)
        for snapshot in lake.reference(commit).read(["snapshot"])["snapshot"].unique().to_pylist()
    }


def lineage_rows(lake: Lake, refs: Iterable[TableRef], run_id: str) -> list[dict[str, Any]]:
    """One row per table and input, from the commit records; a null input for a source's table."""
    return [
        {
            "run_id": run_id,
            "table_name": ref.table,
            "snapshot": ref.snapshot,
            "input_table": table,
            "input_snapshot": snapshot,
        }
        for ref in refs
        for table, snapshot in lake.commit_of(ref).inputs or _FROM_OUTSIDE
    ]


def record_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of every flow: the outermost one's row in `runs`, with Prefect's share of its time."""
    if flow_run.parent_task_run_id is not None:
        return
    run_id, ended = str(flow_run.id), time.time()
    started, refs = _started.pop(run_id, ended), _used.pop(run_id, [])
    seconds = ended - started
    config = dict(flow_run.parameters.get("config") or {})
    row = {
        "run_id": run_id,
        "flow": flow.name,
        "profile": profile_of(config, sys.modules[flow.fn.__module__].PROFILES),
        "started_at": datetime.fromtimestamp(started, UTC),
        "finished_at": datetime.fromtimestamp(ended, UTC),
        "state": state.name or state.type.value.title(),
        "seconds": seconds,
        "orchestration_seconds": max(0.0, seconds - busy_seconds(refs)),
        "hits": sum(ref.hit for ref in refs),
        "misses": sum(not ref.hit for ref in refs),
        "commit": git_commit(),
        "host": platform.node(),
        "cores": cores(),
        "device": _device(),
        "params": json.dumps(config),
    }
    publish_record(Runs, [row], run_id)
    refresh(Lake(lake_url()))


def busy_seconds(refs: Sequence[TableRef]) -> float:
    """Length of the union of the steps' working times: two at once count once."""
    total, reached = 0.0, 0.0
    for begun, ended in sorted((ref.started, ref.started + ref.seconds) for ref in refs):
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total


def profile_of(config: Mapping[str, Any], profiles: Mapping[str, BaseModel]) -> str:
    """Name of the profile a configuration is, or is nearest to, then with a '+'."""
    asked = _leaves(config)
    distance = {}
    for name, profile in profiles.items():
        offered = _leaves(profile.model_dump(mode="json"))
        distance[name] = sum(asked.get(f) != offered.get(f) for f in {*asked, *offered})
    nearest = min(distance, key=lambda name: distance[name])
    return nearest if distance[nearest] == 0 else f"{nearest}+"


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        parts = (_leaves(inner, f"{path}.{key}") for key, inner in value.items())
        return {name: leaf for part in parts for name, leaf in part.items()}
    return {path: value}


def _device() -> str:
    torch = sys.modules.get("torch")  # a run that only found hits has no use for it
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "cpu"
