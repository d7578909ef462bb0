"""The engine against accelerate's disk offload and against itself, within the same memory.

Weights are random, of OPT's shape, written layer by layer. Every contestant runs in a process of
its own under the same limit (models/flexgen/contestant.py).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from models.flexgen.config import Policy
from models.flexgen.contestant import Entry, Result
from models.flexgen.random_weights import OptShape, write_random_opt
from models.measuring import Measurement
from models.progress import Progress, silent

_UNIT = "tokens/s"
# Threads that wait by spinning keep the very processor that the awaited ones need, as soon as
# anything else runs: both sides would be ten times slower, each by chance.
_WAITING = {"OMP_WAIT_POLICY": "passive"}


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """Sizes; the default is OPT-1.3B in 1 GiB, as on an ordinary machine with two cores."""

    shape: OptShape = Field(default=OptShape(dtype="bfloat16"), description="the model")
    grid_shape: OptShape = Field(
        default=OptShape(layers=6, width=768, heads=12, vocab=8000, dtype="bfloat16"),
        description="a smaller model for the grid of policies",
    )
    compute: Policy = Field(default=Policy(compute="bfloat16"), description="of all contestants")
    cap_bytes: int = Field(default=1 << 30, description="memory, interpreter included [bytes]")
    grid_cap_bytes: int = Field(default=480 << 20, description="the same for the grid [bytes]")
    requests: int = Field(default=64, ge=1, description="prompts of the job")
    prompt: int = Field(default=32, ge=1, description="length of a prompt [tokens]")
    tokens: int = Field(default=8, ge=1, description="new tokens a prompt; the paper's 32")
    batches: tuple[int, ...] = Field((4, 8, 16, 32, 64), description="batch sizes accelerate tries")
    threads: int = Field(default=2, ge=1, description="processor threads")
    runs: int = Field(default=1, ge=1, description="runs of each contestant, taken in turn")
    timeout: float = Field(default=900.0, gt=0, description="longest run [s]")


def benchmark(
    config: BenchmarkConfig, scratch: Path, progress: Progress = silent
) -> Iterator[Measurement]:
    """Throughput against accelerate, in 4 bits, with and without overlap [tokens/s]."""
    folder = write_random_opt(scratch / "model", config.shape)
    entry = _entry(config, folder, scratch / "engine")
    progress(0, 4)
    ours = _median(entry, config)
    progress(1, 4)
    peer, batch = best_accelerate(config, folder, scratch / "accelerate")
    common = {"unit": _UNIT, "higher_is_better": True, "threads": config.threads}
    common |= {"dtype": config.compute.compute, "runs": config.runs, "size": _size(config)}
    yield _measured(
        common, "weights from disk, cold", ("FlexGen engine", ours),
        (f"accelerate disk_offload, batch {batch}", peer),
    )  # fmt: skip
    progress(2, 4)
    packed = entry.model_copy(
        update={"asked": config.compute.model_copy(update={"compress_weights": True})}
    )
    four = _median(packed, config)
    yield _measured(
        common, "weights in 4 bits", ("4-bit weights", four), (config.shape.dtype, ours)
    )
    progress(3, 4)
    assert ours.policy is not None
    alone = entry.model_copy(update={"policy": ours.policy.model_copy(update={"overlap": False})})
    yield _measured(
        common, "overlap of disk and processor", ("overlap", ours),
        ("none, same policy", _median(alone, config)),
    )  # fmt: skip
    progress(4, 4)


def policy_grid(
    config: BenchmarkConfig, scratch: Path, progress: Progress = silent
) -> Iterator[tuple[str, Result]]:
    """The planned policy, named "planned", and every policy of a grid that fits, measured."""
    folder = write_random_opt(scratch / "grid-model", config.grid_shape)
    entry = _entry(config, folder, scratch / "engine").model_copy(
        update={"cap_bytes": config.grid_cap_bytes}
    )
    policies = list(grid(config))
    yield "planned", _median(entry, config)
    for number, policy in enumerate(policies, start=1):
        try:
            yield str(number), _median(entry.model_copy(update={"policy": policy}), config)
        except MemoryError:
            pass
        progress(number, len(policies))


def grid(config: BenchmarkConfig) -> Iterator[Policy]:
    """Hand-made policies: weights and cache in every tier and half-half, small and large blocks."""
    weights = [(100, 0, 0), (50, 0, 50), (0, 100, 0), (0, 0, 100)]
    caches = [(100, 0, 0), (0, 100, 0), (0, 0, 100)]
    sizes = sorted({(max(1, config.requests // 8), 8), (max(1, config.requests // 2), 2)})
    for (wg, wc, wd), (cg, cc, cd), (gbs, nb) in (
        (w, c, size) for w in weights for c in caches for size in sizes
    ):
        yield config.compute.model_copy(
            update={"wg": wg, "wc": wc, "wd": wd, "cg": cg, "cc": cc, "cd": cd}
            | {"gbs": gbs, "nb": nb}
        )


def grid_measurement(config: BenchmarkConfig, found: Sequence[tuple[str, Result]]) -> Measurement:
    """The planned policy against the best of the grid."""
    (_, planned), *others = found
    best = max((result for _, result in others), key=lambda result: result.tokens_per_s)
    return Measurement(
        case="policy by linear program against a grid",
        size=f"{_shape(config.grid_shape)}, {len(others)} policies",
        ours="linear program",
        ours_value=planned.tokens_per_s,
        peer="best of the grid",
        peer_value=best.tokens_per_s,
        unit=_UNIT,
        higher_is_better=True,
        threads=config.threads,
        dtype=config.compute.compute,
    )


def best_accelerate(config: BenchmarkConfig, folder: Path, scratch: Path) -> tuple[Result, int]:
    """Accelerate at the batch size that suits it best within the cap. Raises if none fits."""
    entry = _entry(config, folder, scratch).model_copy(update={"who": "accelerate"})
    best: tuple[Result, int] | None = None
    why = "no batch size to try"
    for batch in (b for b in config.batches if b <= config.requests):
        try:
            found = _median(entry.model_copy(update={"batch": batch}), config)
        except MemoryError as error:
            why = str(error)
            break
        if found.peak_bytes > config.cap_bytes:
            why = f"it took {found.peak_bytes:,} bytes"
            break
        if best is None or found.tokens_per_s > best[0].tokens_per_s:
            best = found, batch
    if best is None:
        raise MemoryError(f"accelerate does not fit at any batch size ({why})")
    return best


def _median(entry: Entry, config: BenchmarkConfig) -> Result:
    """The run of median throughput."""
    found = sorted(
        (contestant(entry, config.timeout) for _ in range(config.runs)),
        key=lambda result: result.tokens_per_s,
    )
    return found[statistics.median_low(range(len(found)))]


def contestant(entry: Entry, timeout: float) -> Result:
    """Runs an entry in a process of its own. Raises MemoryError when it does not fit."""
    done = subprocess.run(
        [sys.executable, "-m", "models.flexgen.contestant", entry.model_dump_json()],
        capture_output=True, text=True, check=False, timeout=timeout,
        cwd=Path(__file__).parents[2], env={**os.environ, **_WAITING},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    if done.returncode or not lines or '"error"' in lines[-1]:
        told = lines[-1] if lines else done.stderr.strip()[-300:]
        raise MemoryError(f"{entry.who}: {told}")
    return Result.model_validate_json(lines[-1])


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
