"""Dry runs: a flow's body is called, its steps only say whether their tables are there and why not.

Nothing is computed and Prefect is not asked. A table that would be computed has no snapshot yet,
so every step that reads it is a miss as well, for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from data.lake import Contract, Lake, TableRef
from tasks.recipe import Recipe
from tasks.settings import lake_url

_PENDING = "(to be computed)"


@dataclass(frozen=True)
class Planned:
    """One line of a plan. `reasons` is empty for a hit."""

    table: str
    hit: bool
    snapshot: str
    rows: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """Stands in for a task's future where there is no task: while planning, and for hits."""

    ref: TableRef

    def result(self) -> TableRef:
        return self.ref


_plan: ContextVar[list[Planned] | None] = ContextVar("plan", default=None)


@contextmanager
def planning() -> Iterator[list[Planned]]:
    """Within this context steps and flows plan instead of running; yields the plan they fill."""
    lines: list[Planned] = []
    token = _plan.set(lines)
    try:
        yield lines
    finally:
        _plan.reset(token)


def active() -> bool:
    return _plan.get() is not None


def note(contract: type[Contract], made_by: Recipe) -> TableRef:
    """Adds a step to the plan: a hit's reference, or one that stands for the table to come."""
    plan = _plan.get()
    assert plan is not None
    lake = Lake(lake_url())
    waited_for = [ref.table for ref in made_by.inputs if pending(ref)]
    commit = None if waited_for else lake.find(contract.table, made_by.digest)
    damage = lake.damage(commit) if commit is not None else None
    if commit is not None and damage is None:
        plan.append(Planned(contract.table, True, commit.snapshot, commit.rows, ()))
        return lake.reference(commit, hit=True)
    reasons = [damage] if damage else _reasons(lake, contract.table, made_by, waited_for)
    plan.append(Planned(contract.table, False, "", 0, tuple(reasons)))
    return TableRef(lake.url, contract.table, _PENDING, 0, "")


def pending(ref: TableRef) -> bool:
    """Whether a table is only planned: what it would hold is not known yet."""
    return ref.snapshot == _PENDING


def _reasons(lake: Lake, table: str, made_by: Recipe, waited_for: list[str]) -> list[str]:
    earlier = lake.commits(table)
    if not earlier:
        return ["never computed"]
    # Of all earlier snapshots the most alike tells best what is different now.
    changes = min((made_by.changes_since(c.fields) for c in reversed(earlier)), key=len)
    code = [change.split(":")[1] for change in changes if change.startswith("code:")]
    fields = [c for c in changes if not c.startswith("code:") and _PENDING not in c]
    edited = [f"code of {', '.join(code)}"] if code else []
    return fields + edited + [f"reads {name}, a MISS" for name in waited_for]
