"""`@produces`: a pure function that returns rows becomes a step that publishes a table.

    @produces("forecast_scores", version=1)
    def forecast_scores(forecasts: TableRef, config: ScoreConfig) -> pa.Table:
        '''Mean squared and absolute error of every model over all test windows.'''

Called in a flow it is a Prefect task and returns a TableRef. Its recipe decides: a snapshot of the
same recipe whose files are intact is a hit and nothing runs (state Cached in the UI); otherwise
the function runs under a lock of that recipe, so that two runs that want the same table compute
it once. Only failures of input and output are tried again. `step.fn` is the function itself.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.lake import Commit, Contract, Lake, TableRef
from data.lake.catalog import refresh
from data.lake.tables import CONTRACTS
from tasks import planning, settings, showing
from tasks.provenance import code_version, is_alone, root_run_id
from tasks.recipe import Recipe, recipe
from tasks.runs import finished

if TYPE_CHECKING:
    import pyarrow as pa
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

    Submitted = PrefectFuture[TableRef] | Future[TableRef] | planning.Known

_working_on: ContextVar[tuple[Lake, str] | None] = ContextVar("working_on", default=None)

log = logging.getLogger(__name__)

_RETRIES = 3
# Such errors stay as they are however often one asks.
_LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)


def produces(
    table: str, *, version: int, contract: type[Contract] | None = None
) -> Callable[[Callable[..., pa.Table | pa.RecordBatchReader]], Step]:
    """Makes a function the step that produces `table`; what it returns may come in batches.

    version: raise it when the meaning of the rows changes in a way the code does not show.
    contract: of a table whose columns are only known at run time; the catalogue's otherwise.
    """
    return lambda function: Step(function, contract or CONTRACTS[table], version)


class Step:
    """A function that makes one table, with recipe, cache, publication and lineage around it."""

    def __init__(
        self,
        function: Callable[..., pa.Table | pa.RecordBatchReader],
        contract: type[Contract],
        version: int,
    ) -> None:
        functools.update_wrapper(self, function)
        self.fn = function
        self.contract = contract
        self.version = version

    def __call__(self, *args: Any, **kwargs: Any) -> TableRef:
        """Runs the step now, as a task of the surrounding flow (or plans it: tasks/planning.py)."""
        if planning.active():
            return planning.note(self.contract, self.recipe(self._bound(args, kwargs)))
        if is_alone():
            return finished(self._table(self._bound(args, kwargs)))
        if settings.runner() != "threads":  # then every step works where the runner is
            return results([self.task.submit(*args, **kwargs)])[0]
        return finished(self.task(*args, return_state=True, **kwargs).result())

    def submit(self, *args: Any, **kwargs: Any) -> Submitted:
        """Runs the step on the flow's task runner; `results` gives its table when it is done."""
        if planning.active():
            return planning.Known(self(*args, **kwargs))
        if is_alone():
            return _threads().submit(copy_context().run, self._table, self._bound(args, kwargs))
        future: PrefectFuture[TableRef] = self.task.submit(*args, **kwargs)
        return future

    def submit_each(self, calls: Iterable[Sequence[Any]]) -> list[Submitted]:
        """`submit` for every batch of a collection. Tables that are there need no task: a hundred
        batches would show hundreds of them, and take longer than the few new documents do."""
        return [self._found(args) or self.submit(*args) for args in calls]

    def recipe(self, arguments: Mapping[str, Any]) -> Recipe:
        return recipe(self.contract.table, self.version, self.fn, arguments)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Travels to other processes by name, as functions do."""
        return _step_named, (self.fn.__module__, self.fn.__qualname__)

    def _found(self, args: Sequence[Any]) -> planning.Known | None:
        if planning.active():
            return None
        asked, lake = time.time(), Lake(settings.lake_url())
        commit = lake.find(self.contract.table, self.recipe(self._bound(tuple(args), {})).digest)
        if commit is None or lake.damage(commit) is not None:
            return None
        return planning.Known(finished(_hit(lake, commit, asked)))

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        bound = inspect.signature(self.fn).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    @functools.cached_property
    def task(self) -> Task[..., TableRef]:
        """The step as a Prefect task; made when asked for, as Prefect takes a second to load."""
        from prefect import task
        from prefect.cache_policies import NO_CACHE
        from prefect.states import Completed
        from prefect.tasks import exponential_backoff

        @functools.wraps(self.fn)
        def run(*args: Any, **kwargs: Any) -> State[TableRef]:
            ref = self._table(self._bound(args, kwargs))
            if ref.hit:
                return Completed(name="Cached", message=f"found as {ref.snapshot}", data=ref)
            showing.table(ref, self.contract)
            return Completed(message=f"{ref.rows:,} rows in {ref.snapshot}", data=ref)

        return task(  # type: ignore[call-overload]
            run,
            name=self.contract.table,
            description=self.contract.meaning(),
            version=str(self.version),
            cache_policy=NO_CACHE,  # the lake is the cache: its records outlive Prefect's
            persist_result=False,
            retries=_RETRIES,
            retry_delay_seconds=exponential_backoff(backoff_factor=2),
            retry_jitter_factor=0.5,
            retry_condition_fn=is_passing_io_failure,
        )

    def _table(self, arguments: Mapping[str, Any]) -> TableRef:
        """The table of these arguments: found, or computed and published."""
        asked = time.time()
        lake, made_by = Lake(settings.lake_url()), self.recipe(arguments)
        with lake.lock(made_by.digest[:12], waiting=self._say_waiting):
            started = time.time()
            damaged = None
            commit = lake.find(self.contract.table, made_by.digest)
            if commit is not None:
                damage = lake.damage(commit)
                if damage is None:
                    return _hit(lake, commit, asked)
                log.warning("%s: %s; computing it anew", self.contract.table, damage)
                damaged = commit
            ref = self._compute(lake, made_by, arguments, started)
            if damaged is not None:
                lake.withdraw(damaged)
        if not is_alone():  # a command without a server refreshes once, at its end
            refresh(lake)
        log.info("%s: %s rows in %.1f s", ref.table, f"{ref.rows:,}", ref.seconds)
        return ref

    def _compute(
        self, lake: Lake, made_by: Recipe, arguments: Mapping[str, Any], started: float
    ) -> TableRef:
        token = _working_on.set((lake, made_by.digest))
        try:
            rows = self.fn(**arguments)
        finally:
            _working_on.reset(token)
        ref = lake.publish(
            self.contract,
            rows,
            recipe=made_by.digest,
            fields=made_by.fields,
            inputs=made_by.inputs,
            version=self.version,
            run_id=root_run_id(),
            code=code_version(),
            started=started,
        )
        lake.clear_scratch(made_by.digest)
        return ref

    def _say_waiting(self) -> None:
        log.info("%s: another run is computing this very table; waiting", self.contract.table)


def scratch() -> Path | None:
    """Folder for the unfinished work of the step that is running: a run that takes the same recipe
    up after a kill finds it as it was. None outside of a run, as in `step.fn`."""
    working = _working_on.get()
    return None if working is None else working[0].scratch(working[1])


def is_passing_io_failure(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """True for failures of input and output that may pass; all else fails at once."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError | TimeoutError) and not isinstance(error, _LASTING)


def results(futures: Iterable[Submitted]) -> list[TableRef]:
    """The tables of submitted steps, in order; raises the first failure."""
    return [
        future.result() if isinstance(future, planning.Known) else finished(future.result())
        for future in futures
    ]


def _hit(lake: Lake, commit: Commit, asked: float) -> TableRef:
    log.info("%s: hit, %s rows", commit.table, f"{commit.rows:,}")
    return lake.reference(commit, hit=True, started=asked, seconds=time.time() - asked)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """What steps without a server are submitted to."""
    return ThreadPoolExecutor(settings.workers(), thread_name_prefix="step")


def _step_named(module: str, name: str) -> Step:
    import importlib

    step = getattr(importlib.import_module(module), name)
    assert isinstance(step, Step)
    return step
