"""Ingest and aggregation against helm-summarize, on the same files: time, memory, size.

helm-summarize runs in an environment of its own (crfm-helm is never a dependency here); both sides
are whole processes, started fresh for every run and taken in turn.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from models.helm.config import BenchmarkConfig
from models.measuring import Measurement

_LOOK_SECONDS = 0.02  # between two looks at the memory
_MODEL = re.compile(r"toy_(strong|medium|weak)")
_OURS = "from flows.cli import main; main()"
_READ = ("run_spec.json", "stats.json", "per_instance_stats.json", "scenario_state.json")


def replicate(suite: Path, target: Path, copies: int) -> int:
    """Copies of a suite's runs, each copy by models of other names; the number of runs."""
    runs = [path for path in sorted(suite.iterdir()) if (path / "run_spec.json").is_file()]
    for number in range(copies):
        for run in runs:
            model = _MODEL.search(run.name)
            old = model[1] if model else ""
            place = target / run.name.replace(f"toy_{old}", f"toy_{old}{number:03d}")
            place.mkdir(parents=True)
            for name in _READ:
                text = (run / name).read_text("utf-8")
                text = text.replace(f"toy/{old}", f"toy/{old}{number:03d}")
                text = text.replace(f"toy_{old}", f"toy_{old}{number:03d}")
                (place / name).write_text(text, "utf-8")
    return len(runs) * copies


def measure(config: BenchmarkConfig, work: Path) -> Iterator[Measurement]:
    """`headwater aggregate` against helm-summarize on a replicated suite, files in the page cache.

    What helm-summarize does not compute (means over instances, intervals, tests) is left out of
    the comparison and timed apart. Without helm-summarize only the size is told.
    work: an empty folder with room for some hundred megabytes.
    """
    suite = Path(config.suite)
    output = work / "benchmark_output"
    count = replicate(suite, output / "runs" / "sample", config.copies)
    given = sum(p.stat().st_size for p in output.rglob("*.json"))
    ours = [
        sys.executable, "-c", _OURS, "aggregate", str(output / "runs" / "sample"),
        "--schema", str(suite / "schema.json"),
    ]  # fmt: skip
    commands = {"bare": [*ours, "--bare"], "again": [*ours, "--bare"], "whole": ours}
    program = shutil.which(config.helm_summarize)
    if program:
        theirs = [program, "-o", str(work / "theirs"), "--suite", "sample", "-n", "2"]
        commands["theirs"] = theirs
        shutil.copytree(output, work / "theirs")  # it writes among the files it reads
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    for number in range(config.runs + 1):  # the last is looked at for its memory, which takes time
        for name, command in commands.items():
            lake = work / ("whole" if name == "whole" else "bare")
            if name != "again":
                shutil.rmtree(lake, ignore_errors=True)
            environment = os.environ | {"HEADWATER_LAKE": str(lake), "HF_HUB_OFFLINE": "1"}
            if number < config.runs:
                seconds.setdefault(name, []).append(_seconds(command, environment))
            else:
                peaks[name] = _peak(command, environment)
    kept = sum(p.stat().st_size for p in (work / "bare").rglob("*.parquet"))
    took = {name: statistics.median(found) for name, found in seconds.items()}
    size = f"{count} runs, {given / 1e6:.0f} MB"
    versions = {"crfm-helm": _version(Path(program))} if program else {}

    def against(
        case: str, ours: float, value: float, unit: str, peer: str = "helm-summarize"
    ) -> Measurement:
        return Measurement(
            case=case, size=size, ours="headwater aggregate", ours_value=ours, peer=peer,
            peer_value=value, unit=unit, runs=config.runs, threads=2, versions=versions,
        )  # fmt: skip

    yield against("size", kept / 1e6, given / 1e6, "MB", "JSON")
    if program:
        yield against("ingest and aggregate", took["bare"], took["theirs"], "s")
        yield against("the same, with intervals and tests", took["whole"], took["theirs"], "s")
        yield against("aggregate again, unchanged", took["again"], took["theirs"], "s")
        yield against("peak memory", peaks["bare"], peaks["theirs"], "MB")


def _seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Wall time of a process [s]."""
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - started


def _peak(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Most memory of a process and those it started [MB], what they share counted once (Linux)."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, env=environment, stdout=told, stderr=told)
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(_proportional_kilobytes, _family(process.pid))))
            time.sleep(_LOOK_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak / 1000


def _family(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(folder.name)] = int(status[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def _proportional_kilobytes(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _version(program: Path) -> str:
    python = program.parent / "python"
    code = "from importlib.metadata import version; print(version('crfm-helm'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
