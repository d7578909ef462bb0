"""The planned policy against a grid of hand-made ones, in a process of its own.

    python -m models.flexgen.grid JSON

Single runs on a machine that does other things as well scatter, and the best of many single runs
is too good to be true. So a first round runs every policy that fits once; the fastest of it and
the planned one then run several times in turn, and medians are compared.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from models.flexgen.config import Policy

_WEIGHTS = ((100, 0, 0), (50, 0, 50), (0, 100, 0), (0, 0, 100))  # device, host, disk [%]
_CACHES = ((100, 0, 0), (0, 100, 0), (0, 0, 100))
_BATCHES = (2, 4, 8)  # of a block that holds the whole job


class GridEntry(BaseModel, frozen=True, extra="forbid"):
    """A job, and the memory of device and host together that it is to be done in."""

    folder: Path = Field(description="the model")
    scratch: Path = Field(description="folder of the disk tier")
    memory_bytes: int = Field(description="most memory of the engine [bytes]", ge=1)
    requests: int = Field(default=64, ge=8, description="prompts")
    prompt: int = Field(default=32, ge=1, description="length of a prompt [tokens]")
    tokens: int = Field(default=8, ge=2, description="new tokens a prompt")
    runs: int = Field(default=5, ge=1, description="runs of every finalist, taken in turn")
    finalists: int = Field(default=3, ge=1, description="policies of the grid that are run again")
    threads: int = Field(default=2, ge=1)
    asked: Policy = Field(default=Policy(), description="compute type and compression")


class Tried(BaseModel, frozen=True, extra="forbid"):
    """One policy: predicted and measured throughput [tokens/s]."""

    policy: Policy
    predicted: float
    measured: float = Field(description="of the first round; a finalist's median over its runs")
    runs: int


class GridResult(BaseModel, frozen=True, extra="forbid"):
    """What came of it."""

    planned: Tried
    grid: list[Tried] = Field(description="fastest first, the finalists before all others")

    def within(self, share: float) -> int:
        """How many policies were predicted within `share` of what was measured."""
        tried = [self.planned, *self.grid]
        return sum(abs(one.predicted / one.measured - 1) <= share for one in tried)


def policies(entry: GridEntry) -> Iterator[Policy]:
    """Weights and cache in every tier and half-half, in small and large batches."""
    for (wg, wc, wd), (cg, cc, cd), nb in itertools.product(_WEIGHTS, _CACHES, _BATCHES):
        yield entry.asked.model_copy(
            update={"wg": wg, "wc": wc, "wd": wd, "cg": cg, "cc": cc, "cd": cd}
            | {"gbs": entry.requests // nb, "nb": nb}
        )


def measured_grid(entry: GridEntry) -> GridResult:
    """Calibrates, plans, and runs the planned policy and all of the grid that fits."""
    import torch

    from models.flexgen.calibration import calibrated
    from models.flexgen.engine import Engine
    from models.flexgen.linear_program import Caps
    from models.flexgen.offloading import Place, budgets_of
    from models.flexgen.planner import MARGIN, Job, Plan, fits_job, plan, predict
    from models.flexgen.weights import WeightFolder

    torch.set_num_threads(entry.threads)
    weights = WeightFolder(entry.folder)
    random = torch.Generator().manual_seed(0)
    size = (entry.requests, entry.prompt)
    prompts = torch.randint(3, weights.shape.vocab, size, generator=random).tolist()
    job = Job((entry.prompt,) * entry.requests, entry.tokens)
    place = Place(entry.memory_bytes, entry.scratch, entry.scratch / "calibrations")
    caps = Caps({"memory": float(entry.memory_bytes)}, margin=MARGIN)
    prices = calibrated(
        weights, entry.asked, place.scratch, place.calibrations, memory_bytes=entry.memory_bytes
    )

    def speed(chosen: Plan) -> float:
        with Engine(weights, chosen.policy, budgets_of(chosen, place)) as engine:
            return engine.generate(prompts, entry.tokens).tokens_per_s

    def tried(chosen: Plan, speeds: list[float]) -> Tried:
        median = statistics.median(speeds)
        return Tried(
            policy=chosen.policy,
            predicted=chosen.tokens_per_s,
            measured=median,
            runs=len(speeds),
        )

    best = plan(weights, job, entry.asked, prices, caps)
    fitting = [
        predict(weights, job, policy, prices)
        for policy in policies(entry)
        if fits_job(weights, job, policy, prices, caps)
    ]
    speed(best)  # warms up: files, threads
    first = sorted(((speed(chosen), chosen) for chosen in fitting), key=lambda pair: -pair[0])
    finalists = [best, *(chosen for _, chosen in first[: entry.finalists])]
    speeds: list[list[float]] = [[] for _ in finalists]
    for _ in range(entry.runs):
        for chosen, found in zip(finalists, speeds, strict=True):
            found.append(speed(chosen))
    planned, *others = (tried(*pair) for pair in zip(finalists, speeds, strict=True))
    others.sort(key=lambda one: -one.measured)
    rest = [tried(chosen, [once]) for once, chosen in first[entry.finalists :]]
    return GridResult(planned=planned, grid=[*others, *rest])


if __name__ == "__main__":
    told = measured_grid(GridEntry.model_validate_json(sys.argv[1]))
    sys.stdout.write(told.model_dump_json() + "\n")
