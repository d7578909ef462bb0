"""A job from plan to tokens: calibrate, plan, run, and plan smaller when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.flexgen.calibration import calibrated
from models.flexgen.config import Budgets, Policy
from models.flexgen.counters import Generated
from models.flexgen.engine import Engine
from models.flexgen.head import Drawing
from models.flexgen.linear_program import Caps
from models.flexgen.placement import Placed
from models.flexgen.planner import MARGIN, Job, Plan, plan, predict, shrunk
from models.flexgen.tiers import MemoryBudgetError
from models.flexgen.weights import WeightFolder
from models.progress import Progress, silent


@dataclass(frozen=True)
class Place:
    """Where a job may run: what it may use does not change what comes out."""

    memory_bytes: int  # device and host together
    scratch: Path  # folder of the disk tier
    calibrations: Path  # folder where they are kept
    disk_bytes: int | None = None  # None: what the file system has free


@dataclass(frozen=True)
class Outcome:
    """What a job took, beside what was expected."""

    plan: Plan
    budgets: Budgets
    generated: Generated
    weights: list[Placed]  # asked and achieved, a row a tier
    backoffs: int


def planned(
    weights: WeightFolder, job: Job, asked: Policy, place: Place, progress: Progress = silent
) -> Plan:
    """The policy for a job on this machine. Raises InfeasibleError when no policy fits."""
    prices = calibrated(
        weights, asked, place.scratch, place.calibrations, progress,
        memory_bytes=place.memory_bytes,
    )  # fmt: skip
    limits = {"memory": float(place.memory_bytes)}
    if place.disk_bytes is not None:
        limits["disk"] = float(place.disk_bytes)
    return plan(weights, job, asked, prices, Caps(limits, margin=MARGIN))


def run(
    weights: WeightFolder,
    prompts: Sequence[Sequence[int]],
    chosen: Plan,
    tokens: int,
    place: Place,
    *,
    ends: frozenset[int] = frozenset(),
    drawing: Drawing | None = None,
    ended: Callable[[list[int]], bool] = lambda _: False,
    progress: Progress = silent,
) -> Outcome:
    """Generates under a plan; when memory runs out all the same, under ever smaller blocks.

    Raises MemoryBudgetError or MemoryError when not even one request at a time fits.
    """
    backoffs = 0
    while True:
        budgets = budgets_of(chosen, place)
        try:
            with Engine(weights, chosen.policy, budgets) as engine:
                made = engine.generate(
                    prompts, tokens, ends, drawing=drawing, progress=progress, ended=ended
                )
                return Outcome(chosen, budgets, made, engine.placement, backoffs)
        except (MemoryBudgetError, MemoryError):
            smaller = shrunk(chosen.policy)
            if smaller is None:
                raise
            backoffs += 1
            job = Job(tuple(len(prompt) for prompt in prompts), tokens)
            prices = calibrated(
                weights, smaller, place.scratch, place.calibrations,
                memory_bytes=place.memory_bytes,
            )  # fmt: skip
            chosen = predict(weights, job, smaller, prices)


def budgets_of(chosen: Plan, place: Place) -> Budgets:
    """The memory cap, split as the plan needs it; what it leaves free is shared equally."""
    device, host = (int(chosen.memory[tier]) for tier in ("device", "host"))
    host += max(0, place.memory_bytes - device - host) // 2
    return Budgets(
        device_bytes=place.memory_bytes - host,
        host_bytes=host,
        disk_folder=place.scratch,
        disk_bytes=place.disk_bytes,
    )
