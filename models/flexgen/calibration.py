"""What each kind of work costs on this machine, fitted to a few short runs of the engine itself.

The authors found that primitive benchmarks alone predict badly, and fit their constants to real
runs; so do we. The runs use the first layers of the very model, under policies that exercise one
kind of work after the other. The prices are those that predict all of them best: least squares on
the logarithms of time, drawn weakly towards ordinary prices where the runs say little.

A calibration is kept as JSON, by machine, software, shape and number format.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy.optimize import least_squares

from models.flexgen.config import Budgets, Policy
from models.flexgen.engine import Engine
from models.flexgen.identity import identity
from models.flexgen.machine_cost import Prices
from models.flexgen.planner import Job, predict
from models.flexgen.weights import WeightFolder
from models.progress import Progress, silent

FORMAT = 3
SECONDS = 8.0  # what the runs together may take, unless each was not yet timed once
_LONGEST = 22.0  # s: then those timed by now have to do
_LAYERS = 2
_TOKENS = 5
_PRIOR = 2.5  # standard deviation of a price about the ordinary one, in natural logarithms
_NOISE = 0.05  # of a measured time, likewise
_ROOM = 1 << 40
_FEWEST_RUNS, _MOST_ROUNDS = 3, 3

ORDINARY = Prices(
    read=1e-9,
    write=1e-9,
    copy=3e-10,
    dequantize=1e-9,
    product=2e-11,
    weight=2e-10,
    attention=5e-10,
    pairs=5e-11,
    logits=2e-9,
    overlap=0.7,
)
"""Prices of a small machine, where nothing better is known."""

# Prompt length, and policy over and above the asked one: shares, batch size, number of batches.
# Two lengths tell what grows with the positions from what grows with their square.
_RUNS: tuple[tuple[int, dict[str, int | bool]], ...] = (
    (32, {"wg": 0, "wd": 100, "gbs": 8, "nb": 2, "overlap": False}),
    (128, {"gbs": 8}),
    (32, {"wg": 0, "wd": 100, "gbs": 8, "nb": 2}),
    (16, {"gbs": 2, "nb": 6}),
    (16, {"wg": 0, "wd": 100, "gbs": 64, "nb": 1}),
    (32, {"wg": 0, "wc": 100, "gbs": 8}),
    (32, {"cg": 0, "cc": 100, "gbs": 16, "nb": 2}),
    (32, {"cg": 0, "cd": 100, "gbs": 16, "nb": 2}),
)


class Calibration(BaseModel, frozen=True, extra="forbid"):
    """Prices of one machine and shape, and how well they explain the runs they come from."""

    format: int = FORMAT
    machine: dict[str, str] = Field(description="what the prices belong to")
    prices: dict[str, float] = Field(description="seconds a unit of work, and the overlap")
    samples: int = Field(description="timings they were fitted to", ge=1)
    error: float = Field(description="median |predicted / measured - 1| of those", ge=0)
    seconds: float = Field(description="how long calibrating took [s]", ge=0)


@dataclass(frozen=True)
class Sample:
    """One measured phase: how much of each kind of work it did and how long it took."""

    work: Mapping[str, float]  # amounts by kind
    overlap: bool
    seconds: float


def calibrated(
    weights: WeightFolder,
    policy: Policy,
    scratch: Path,
    cache: Path,
    progress: Progress = silent,
    *,
    memory_bytes: int = _ROOM,
) -> Prices:
    """Prices for a model under policies like `policy`, measured now or found in folder `cache`.

    Measuring keeps to `memory_bytes` of device and host together.
    """
    machine = identity(weights, policy)
    key = hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16]
    path = cache / f"calibration-{key}.json"
    try:
        known = Calibration.model_validate_json(path.read_text("utf-8"))
        if known.machine == machine and known.format == FORMAT:
            return Prices(**known.prices)
    except (OSError, ValueError, TypeError):
        pass  # none yet, or of another version: measured anew
    found = calibrate(weights, policy, scratch, progress, memory_bytes=memory_bytes)
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(found.model_dump_json(indent=1), "utf-8")
    temporary.replace(path)
    return Prices(**found.prices)


def calibrate(
    weights: WeightFolder,
    policy: Policy,
    scratch: Path,
    progress: Progress = silent,
    *,
    memory_bytes: int = _ROOM,
) -> Calibration:
    """Runs and fits; see the module's docstring."""
    started = time.perf_counter()
    samples = measure(weights, policy, scratch, SECONDS, progress, memory_bytes=memory_bytes)
    prices = fit(samples)
    errors = [abs(_seconds(sample, prices) / sample.seconds - 1) for sample in samples]
    return Calibration(
        machine=identity(weights, policy),
        prices=vars(prices),
        samples=len(samples),
        error=statistics.median(errors),
        seconds=time.perf_counter() - started,
    )


def measure(
    weights: WeightFolder,
    policy: Policy,
    scratch: Path,
    seconds: float,
    progress: Progress = silent,
    *,
    memory_bytes: int = _ROOM,
) -> list[Sample]:
    """Times short runs of the model's first layers, in turn, until time is up.

    What does not fit into `memory_bytes` runs with its weights on disk, or not at all.
    """
    started = time.perf_counter()
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="calibration-") as folder:
        small = WeightFolder(first_layers(weights.folder, Path(folder) / "model", _LAYERS))
        longest = weights.shape.context - _TOKENS
        tries = [
            _Try(min(prompt, longest), policy.model_copy(update={"nb": 1, **run}))
            for prompt, run in _RUNS
        ]
        warm_up = policy.model_copy(update={"wg": 0, "wd": 100, "gbs": 1, "nb": 1})
        least = _Try(1, warm_up)
        _timed(small, least, Path(folder))  # libraries load, threads start
        tries = [t for tried in tries if (t := _fitting(small, tried, memory_bytes))] or [least]
        times: list[list[tuple[float, float]]] = [[] for _ in tries]
        runs = list(enumerate(tries)) * _MOST_ROUNDS
        slowest = 0.0
        for done, (i, tried) in enumerate(runs):
            begun = time.perf_counter()
            limit = max(seconds, _LONGEST) if done < len(tries) else seconds
            if done >= _FEWEST_RUNS and begun + slowest > started + limit:
                break
            times[i].append(_timed(small, tried, Path(folder)))
            slowest = max(slowest, time.perf_counter() - begun)
            progress(done + 1, len(runs))
        progress(len(runs), len(runs))
        return [
            sample
            for tried, found in zip(tries, times, strict=True)
            if found
            for sample in _samples(small, tried, found)
        ]


def first_layers(folder: Path, into: Path, layers: int) -> Path:
    """The model cut to its first layers: another config.json beside links to the same weights."""
    into.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != "config.json":
            (into / path.name).symlink_to(path.resolve())
    config = json.loads((folder / "config.json").read_text("utf-8"))
    for name in ("num_hidden_layers", "n_layer"):
        if name in config:
            config[name] = min(layers, config[name])
    (into / "config.json").write_text(json.dumps(config), "utf-8")
    return into


class _Try(NamedTuple):
    prompt: int
    policy: Policy

    @property
    def job(self) -> Job:
        return Job((self.prompt,) * self.policy.bls, _TOKENS)


def _fitting(weights: WeightFolder, tried: _Try, memory_bytes: int) -> _Try | None:
    on_disk = tried.policy.model_copy(update={"wg": 0, "wc": 0, "wd": 100})
    for policy in (tried.policy, on_disk):
        if predict(weights, tried.job, policy, ORDINARY).memory["memory"] <= memory_bytes:
            return tried._replace(policy=policy)
    return None


def _timed(weights: WeightFolder, tried: _Try, scratch: Path) -> tuple[float, float]:
    # Any ids do: what is computed does not depend on them.
    count, length = tried.policy.bls, tried.prompt
    vocab = weights.shape.vocab
    prompts = [[(5 + (i * 7 + j) % 89) % vocab for j in range(length)] for i in range(count)]
    with Engine(weights, tried.policy, Budgets(_ROOM, _ROOM, scratch)) as engine:
        run = engine.generate(prompts, _TOKENS)
    return run.prefill_seconds, run.decode_seconds


def _samples(
    weights: WeightFolder, tried: _Try, times: Sequence[tuple[float, float]]
) -> Iterator[Sample]:
    """One for prefill and one for decoding.

    The fastest of several runs: what other processes took from the rest is no price of ours.
    """
    work = amounts(weights, tried.job, tried.policy)
    for i, phase in enumerate(("prefill", "decode")):
        seconds = min(pair[i] for pair in times)
        yield Sample(work[phase], tried.policy.overlap, seconds)


def amounts(weights: WeightFolder, job: Job, policy: Policy) -> dict[str, dict[str, float]]:
    """How much of each kind of work the phases of a job of one block do."""
    unit = Prices(**dict.fromkeys(Prices.kinds(), 1.0), overlap=0.0)
    parts = predict(weights, job, policy, unit).parts
    found: dict[str, dict[str, float]] = {}
    for name, amount in parts.items():
        phase, kind = name.split(", ")
        found.setdefault(phase, {})[kind] = amount
    return found


def fit(samples: Sequence[Sample], prior: Prices = ORDINARY) -> Prices:
    """Prices that explain the samples best, by least squares on logarithms of time."""
    kinds = Prices.kinds()
    work = np.array([[sample.work[kind] for kind in kinds] for sample in samples])
    on_disk = np.array([kind in Prices.DISK for kind in kinds])
    overlaps = np.array([sample.overlap for sample in samples])
    measured = np.log([sample.seconds for sample in samples])
    start = np.array([*(np.log(getattr(prior, kind)) for kind in kinds), _logit(prior.overlap)])

    def residuals(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = work * np.exp(theta[:-1])
        disk, cpu = parts[:, on_disk].sum(axis=1), parts[:, ~on_disk].sum(axis=1)
        hidden = overlaps / (1 + np.exp(-theta[-1]))
        times = np.maximum(disk, cpu) + (1 - hidden) * np.minimum(disk, cpu)
        return np.concatenate([(np.log(times) - measured) / _NOISE, (theta - start) / _PRIOR])

    # Other work on the machine slows some runs down: they are not to bend the rest.
    found = least_squares(residuals, start, loss="soft_l1").x
    prices = dict(zip(kinds, np.exp(found[:-1]).tolist(), strict=True))
    return Prices(**prices, overlap=float(1 / (1 + np.exp(-found[-1]))))


def _seconds(sample: Sample, prices: Prices) -> float:
    parts = {kind: sample.work[kind] * getattr(prices, kind) for kind in Prices.kinds()}
    disk = sum(parts[kind] for kind in Prices.DISK)
    cpu = sum(parts.values()) - disk
    return max(disk, cpu) + (1 - prices.overlap * sample.overlap) * min(disk, cpu)


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))
