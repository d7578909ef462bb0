"""The engine against accelerate's disk offload and against itself, within the same memory.

Weights are random, of OPT's shape, written layer by layer. Every contestant runs in a process of
its own under the same limit (models/flexgen/contestant.py).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from models.flexgen.config import Policy
from models.flexgen.contestant import Entry, Result
from models.flexgen.grid import GridEntry, GridResult
from models.flexgen.random_weights import OptShape, write_random_opt
from models.measuring import Measurement
from models.progress import Progress, silent

_UNIT = "tokens/s"
# Threads that wait by spinning keep the very processor that the awaited ones need, as soon as
# anything else runs: both sides would be ten times slower, each by chance. And what is freed goes
# back to the system at once, so that memory in use is memory asked for.
_SURROUNDINGS = {"OMP_WAIT_POLICY": "passive", "MALLOC_MMAP_THRESHOLD_": str(4 << 20)}


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """Sizes; the default is OPT-1.3B in 29 % of its weights' size, as on an ordinary machine.

    The paper's OPT-30B has 27 % of its weights' size on the device, and 32 new tokens as well.
    """

    shape: OptShape = Field(default=OptShape(dtype="bfloat16"), description="the model")
    grid_shape: OptShape = Field(
        default=OptShape(layers=6, width=768, heads=12, vocab=8000, dtype="bfloat16"),
        description="a smaller model for the grid of policies",
    )
    compute: Policy = Field(default=Policy(compute="bfloat16"), description="of all contestants")
    cap_bytes: int = Field(default=768 << 20, description="memory, interpreter included [bytes]")
    grid_bytes: int = Field(
        default=150 << 20, description="memory of the engine for the grid [bytes]", ge=1
    )
    grid_runs: int = Field(default=5, description="runs of every finalist of the grid", ge=1)
    requests: int = Field(default=384, ge=1, description="prompts of the job")
    prompt: int = Field(default=16, ge=1, description="length of a prompt [tokens]; paper: 512")
    tokens: int = Field(default=32, ge=1, description="new tokens a prompt; paper: 32")
    batches: tuple[int, ...] = Field(
        (40, 36, 32, 24, 16, 8, 4), description="batch sizes accelerate tries, largest first"
    )
    threads: int = Field(default=2, ge=1, description="processor threads")
    runs: int = Field(default=1, ge=1, description="runs of each contestant, taken in turn")
    timeout: float = Field(default=900.0, gt=0, description="longest run [s]")


def benchmark(
    config: BenchmarkConfig, scratch: Path, progress: Progress = silent
) -> Iterator[Measurement]:
    """Throughput against accelerate, in 4 bits, without overlap, of a grid [tokens/s]."""
    folder = write_random_opt(scratch / "model", config.shape)
    entry = _entry(config, folder, scratch / "engine")
    progress(0, 5)
    ours = _median(entry, config)
    progress(1, 5)
    peer, batch = best_accelerate(config, folder, scratch / "accelerate")
    common = {"unit": _UNIT, "higher_is_better": True, "threads": config.threads}
    common |= {"dtype": config.compute.compute, "runs": config.runs, "size": _size(config)}
    yield _measured(
        common, "weights from disk, cold", ("FlexGen engine", ours),
        (f"accelerate disk_offload, batch {batch}", peer),
    )  # fmt: skip
    progress(2, 5)
    packed = entry.model_copy(
        update={"asked": config.compute.model_copy(update={"compress_weights": True})}
    )
    four = _median(packed, config)
    yield _measured(
        common, "weights in 4 bits", ("4-bit weights", four), (config.shape.dtype, ours)
    )
    progress(3, 5)
    assert ours.policy is not None
    alone = entry.model_copy(update={"policy": ours.policy.model_copy(update={"overlap": False})})
    yield _measured(
        common, "overlap of disk and processor", ("overlap", ours),
        ("none, same policy", _median(alone, config)),
    )  # fmt: skip
    progress(4, 5)
    small = write_random_opt(scratch / "grid-model", config.grid_shape)
    yield from against_grid(config, small, scratch / "engine")
    progress(5, 5)


def against_grid(config: BenchmarkConfig, folder: Path, scratch: Path) -> Iterator[Measurement]:
    """The planned policy against the best of a grid, and predictions against measurements."""
    entry = GridEntry(
        folder=folder, scratch=scratch, memory_bytes=config.grid_bytes, runs=config.grid_runs,
        threads=config.threads, asked=config.compute,
    )  # fmt: skip
    found = GridResult.model_validate_json(_told("grid", entry.model_dump_json(), config.timeout))
    size = (
        f"{_shape(config.grid_shape)}, {entry.requests} prompts of {entry.prompt}, "
        f"{entry.tokens} new, {config.grid_bytes / 2**20:g} MiB, {len(found.grid)} policies"
    )
    threads, dtype = config.threads, config.compute.compute
    yield Measurement(
        case="LP against the best of a grid", size=size, ours="linear program",
        ours_value=found.planned.measured, peer="best of the grid",
        peer_value=found.grid[0].measured, unit=_UNIT, higher_is_better=True,
        runs=config.grid_runs, threads=threads, dtype=dtype,
    )  # fmt: skip
    yield Measurement(
        case="predicted throughput", size=size, ours="within 30 % of the measured",
        ours_value=found.within(0.3), peer="policies measured", peer_value=len(found.grid) + 1,
        unit="policies", higher_is_better=True, threads=threads, dtype=dtype,
    )  # fmt: skip


def best_accelerate(config: BenchmarkConfig, folder: Path, scratch: Path) -> tuple[Result, int]:
    """Accelerate at the largest batch that fits the cap: every pass reads all weights, so that
    the largest is the fastest. Raises MemoryError when none fits."""
    entry = _entry(config, folder, scratch).model_copy(update={"who": "accelerate"})
    why = "no batch size to try"
    for batch in sorted({min(b, config.requests) for b in config.batches}, reverse=True):
        try:
            found = _median(entry.model_copy(update={"batch": batch}), config)
        except MemoryError as error:
            why = str(error)
            continue
        if found.peak_bytes <= config.cap_bytes:
            return found, batch
        why = f"it took {found.peak_bytes:,} bytes"
    raise MemoryError(f"accelerate does not fit at any batch size ({why})")


def _median(entry: Entry, config: BenchmarkConfig) -> Result:
    """The run of median throughput."""
    found = sorted(
        (contestant(entry, config.timeout) for _ in range(config.runs)),
        key=lambda result: result.tokens_per_s,
    )
    return found[statistics.median_low(range(len(found)))]


def contestant(entry: Entry, timeout: float) -> Result:
    """Runs an entry in a process of its own. Raises MemoryError when it does not fit."""
    return Result.model_validate_json(_told("contestant", entry.model_dump_json(), timeout))


def _told(module: str, argument: str, timeout: float) -> str:
    """The last line that a module of this package says when it is run."""
    done = subprocess.run(
        [sys.executable, "-m", f"models.flexgen.{module}", argument],
        capture_output=True, text=True, check=False, timeout=timeout,
        cwd=Path(__file__).parents[2], env={**os.environ, **_SURROUNDINGS},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    if done.returncode or not lines or '"error"' in lines[-1]:
        raise MemoryError(f"{module}: {lines[-1] if lines else done.stderr.strip()[-300:]}")
    return lines[-1]


def _entry(config: BenchmarkConfig, folder: Path, scratch: Path) -> Entry:
    return Entry(
        who="engine", folder=folder, scratch=scratch, cap_bytes=config.cap_bytes,
        requests=config.requests, prompt=config.prompt, tokens=config.tokens,
        threads=config.threads, asked=config.compute,
    )  # fmt: skip


def _measured(
    common: dict[str, object], case: str, ours: tuple[str, Result], peer: tuple[str, Result]
) -> Measurement:
    return Measurement(
        case=case, ours=ours[0], ours_value=ours[1].tokens_per_s, peer=peer[0],
        peer_value=peer[1].tokens_per_s, versions=peer[1].versions,
        **common,  # type: ignore[arg-type]
    )  # fmt: skip


def _size(config: BenchmarkConfig) -> str:
    return (
        f"{_shape(config.shape)}, {config.requests} prompts of {config.prompt}, "
        f"{config.tokens} new, {config.cap_bytes / 2**30:g} GiB"
    )


def _shape(shape: OptShape) -> str:
    return f"OPT l={shape.layers} h1={shape.width}"
