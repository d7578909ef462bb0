"""Ingest and aggregation against helm-summarize, on the same files: time, memory, size.

helm-summarize runs in an environment of its own (crfm-helm is never a dependency here); both sides
are whole processes, started fresh for every run and taken in turn.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from models.measuring import Measurement

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


def helm_benchmark(
    suite: Path, helm_summarize: Path, work: Path, copies: int = 19, runs: int = 3
) -> Iterator[Measurement]:
    """Measurements of `headwater aggregate` against helm-summarize on a replicated suite.

    suite: the sample suite, unpacked. helm_summarize: the program in its own environment.
    work: an empty folder with room for some hundred megabytes.
    """
    output = work / "benchmark_output"
    count = replicate(suite, output / "runs" / "sample", copies)
    schema = suite / "schema.json"
    size = sum(p.stat().st_size for p in (output / "runs").rglob("*.json"))
    theirs = [str(helm_summarize), "-o", str(output), "--suite", "sample", "-n", "2"]
    theirs_bare = [*theirs, "--skip-completed-run-display-json"]
    figures: dict[str, list[tuple[float, float]]] = {}
    for number in range(runs):
        lake = work / f"lake-{number}"
        ours = [
            sys.executable, "-c", _OURS, "aggregate", str(output / "runs" / "sample"),
            "--schema", str(schema),
        ]  # fmt: skip
        for name, command in (
            ("ours", ours), ("warm", ours), ("theirs", theirs), ("bare", theirs_bare),
        ):  # fmt: skip
            figures.setdefault(name, []).append(_run(command, {"HEADWATER_LAKE": str(lake)}, work))
        parquet = sum(p.stat().st_size for p in lake.rglob("*.parquet"))
        shutil.rmtree(lake)
    seconds = {name: statistics.median(s for s, _ in found) for name, found in figures.items()}
    peaks = {name: statistics.median(m for _, m in found) for name, found in figures.items()}
    shared = {"size": f"{count} runs, {size / 1e6:.0f} MB", "threads": 2, "runs": runs}
    versions = {"crfm-helm": _version(helm_summarize)}
    ours_name = "headwater aggregate"

    def against(case: str, peer: str, unit: str, ours: float, value: float) -> Measurement:
        return Measurement(
            case=case, ours=ours_name, ours_value=ours, peer=peer, peer_value=value, unit=unit,
            size=str(shared["size"]), threads=2, runs=runs, versions=versions,
        )  # fmt: skip

    whole, bare = "helm-summarize", "helm-summarize, tables only"
    yield against("ingest and aggregate", whole, "s", seconds["ours"], seconds["theirs"])
    yield against("ingest and aggregate", bare, "s", seconds["ours"], seconds["bare"])
    yield against("aggregate again", whole, "s", seconds["warm"], seconds["theirs"])
    yield against("peak memory", whole, "MB", peaks["ours"], peaks["theirs"])
    yield against("size", "JSON", "MB", parquet / 1e6, size / 1e6)


def _run(command: Sequence[str], extra: Mapping[str, str], place: Path) -> tuple[float, float]:
    """Wall time [s] and peak memory [MB] of a process, its children's included."""
    script = (
        "import json,resource,subprocess,sys,time; t=time.perf_counter(); "
        "subprocess.run(sys.argv[2:],check=True,stdout=subprocess.DEVNULL,"
        "stderr=subprocess.DEVNULL); s=time.perf_counter()-t; "
        "m=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss; "
        "open(sys.argv[1],'w').write(json.dumps([s,m/1000]))"
    )
    environment = os.environ | extra | {"HF_HUB_OFFLINE": "1"}
    with tempfile.NamedTemporaryFile(dir=place, suffix=".json") as told:
        subprocess.run(
            [sys.executable, "-c", script, told.name, *command], check=True, env=environment
        )
        seconds, megabytes = json.loads(Path(told.name).read_text("utf-8"))
    return seconds, megabytes


def _version(program: Path) -> str:
    python = program.parent / "python"
    code = "from importlib.metadata import version; print(version('crfm-helm'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
