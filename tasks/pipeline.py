"""`@pipeline`: a function of one config becomes a Prefect flow whose runs record themselves.

    @pipeline("spacetime")
    def spacetime(config: SpaceTimeConfig = PROFILES["quick"]) -> TableRef:
        ...

Its module holds PROFILES, the configurations it is offered with. Flows may call flows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from prefect import Flow
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import BaseModel

from data.lake import Lake, TableRef
from tasks import planning, runs, settings, showing
from tasks.provenance import root_run_id


class Pipeline(Flow[[BaseModel], Any]):
    """A Prefect flow that can also be planned: then its body runs without Prefect."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if planning.active():
            return self.fn(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def pipeline(name: str) -> Callable[[Callable[..., Any]], Pipeline]:
    """Makes a function of one config model the flow `name`."""

    def decorate(function: Callable[..., Any]) -> Pipeline:
        @functools.wraps(function)
        def body(config: Any) -> Any:
            if planning.active() or flow_run.id != root_run_id():
                return function(config)
            runs.begin(root_run_id())
            result = function(config)
            runs.publish_lineage_and_quality(root_run_id())
            _show_lineage(name)
            return result

        return Pipeline(
            body,
            name=name,
            description=(function.__doc__ or "").strip(),
            task_runner=_task_runner(),
            persist_result=False,
            on_completion=[runs.record_run],
            on_failure=[runs.record_run],
            on_crashed=[runs.record_run],
            on_cancellation=[runs.record_run],
        )

    return decorate


def _show_lineage(flow: str) -> None:
    refs: list[TableRef] = runs.used(root_run_id())
    rows = runs.lineage_rows(Lake(settings.lake_url()), refs, root_run_id())
    showing.lineage(rows, refs, flow)


def _task_runner() -> TaskRunner[Any]:
    if settings.runner() == "threads":
        return ThreadPoolTaskRunner(max_workers=settings.workers())
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(
        cluster_kwargs={
            "n_workers": settings.workers(),
            "threads_per_worker": 1,
            "processes": True,
            "dashboard_address": None,
        }
    )
