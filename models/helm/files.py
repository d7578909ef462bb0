"""Which result files a folder holds, and what is known of each without reading it.

HELM:     [<any>/]<suite>/<run>/{run_spec,stats,per_instance_stats,scenario_state}.json
lm-eval:  <any>/results*.json, <any>/samples_*.jsonl
inspect:  <any>/*.eval (zip), and the same log as one JSON file
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.helm.streaming import BrokenError, load

Kind = Literal[
    "run_spec", "stats", "per_instance_stats", "scenario_state", "schema",
    "lm_eval", "lm_eval_samples", "inspect",
]  # fmt: skip
FOREIGN: tuple[Kind, ...] = ("lm_eval", "lm_eval_samples", "inspect")
_RUN_FILES: dict[str, Kind] = {
    "run_spec.json": "run_spec",
    "stats.json": "stats",
    "per_instance_stats.json": "per_instance_stats",
    "scenario_state.json": "scenario_state",
}
_NEEDED = ("run_spec.json", "stats.json")
_MEMBERS = "runs_to_run_suites.json"
# What helm-summarize and helm-run leave beside the runs; nothing of it is a result of its own.
_NO_RUNS = ("eval_cache", "groups")
_SNIFFED = 4096


@dataclass(frozen=True)
class ResultFile:
    """One file to read: `run` is empty for a file that tells of several runs or of none."""

    suite: str
    run: str
    kind: Kind
    path: Path

    @property
    def bytes(self) -> int:
        """Its size now; 0 when it is gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True)
class LeftOut:
    """A place that holds no readable result, and why."""

    path: Path
    reason: str


def find_files(root: Path) -> tuple[list[ResultFile], list[LeftOut]]:
    """Every result file under `root`, in the order of their paths; and apart what is no result.

    A suite is named as the folder around its runs, relative to `root` where that is several levels
    up. A release (a folder with runs_to_run_suites.json and no runs) is one suite of the runs it
    lists. Links are followed, each folder once.
    Raises ValueError for a folder that is not there or holds no results.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is no folder: give the folder that holds the runs")
    root = root.resolve()
    files: list[ResultFile] = []
    left_out: list[LeftOut] = []
    for folder, names in _folders(root, left_out):
        kinds = [name for name in _RUN_FILES if name in names]
        if kinds and "groups.json" not in names:
            suite = _suite(root, folder.parent)
            files += [
                ResultFile(suite, folder.name, _RUN_FILES[name], folder / name) for name in kinds
            ]
            missing = [name for name in _NEEDED if name not in names]
            left_out += [LeftOut(folder / name, "the run lacks this file") for name in missing]
            continue
        if "schema.json" in names:
            files.append(ResultFile(_suite(root, folder), "", "schema", folder / "schema.json"))
        for name in names:
            kind = _foreign_kind(folder / name, summed_up="groups.json" in names)
            if kind:
                files.append(ResultFile(_suite(root, folder), "", kind, folder / name))
    if not any(file.kind != "schema" for file in files):
        files += _release(root, left_out)
    if not any(file.kind != "schema" for file in files):
        raise ValueError(f"{root} holds no run_spec.json, results*.json or *.eval in any folder")
    return sorted(files, key=lambda f: (f.suite, str(f.path))), left_out


def _folders(root: Path, left_out: list[LeftOut]) -> Iterator[tuple[Path, list[str]]]:
    """Folders and the names of the files in them, top down, each folder once."""
    pending, seen = [root], set()
    while pending:
        folder = pending.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:  # reached by another link
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            left_out.append(LeftOut(folder, f"cannot be read: {error}"))
            continue
        names = []
        for entry in entries:
            try:
                if entry.is_dir():
                    pending += [] if entry.name in _NO_RUNS else [folder / entry.name]
                elif entry.is_file():
                    names.append(entry.name)
                elif _is_result(entry.name):
                    left_out.append(LeftOut(folder / entry.name, "is no file"))
            except OSError as error:  # a link in a circle
                left_out.append(LeftOut(folder / entry.name, f"cannot be read: {error.strerror}"))
        yield folder, names


@functools.lru_cache(maxsize=64)
def _suite(root: Path, folder: Path) -> str:
    relative = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    while relative and relative[0] in ("runs", "benchmark_output"):
        relative = relative[1:]
    return "/".join(relative) or folder.name


def _is_result(name: str) -> bool:
    return name in _RUN_FILES or name.endswith((".eval", ".jsonl"))


def _foreign_kind(path: Path, *, summed_up: bool) -> Kind | None:
    """What another harness's file is: by its name, and for logs in plain JSON by how it begins.

    summed_up: it lies among what helm-summarize wrote, JSON files by the dozen.
    """
    name = path.name
    if name.startswith("samples_") and name.endswith(".jsonl"):
        return "lm_eval_samples"
    if name.endswith(".eval"):
        return "inspect"
    if summed_up or not name.endswith(".json"):
        return None
    with path.open("rb") as file:
        head = file.read(_SNIFFED)
    if b'"results"' in head and name.startswith("results"):
        return "lm_eval"
    if b'"eval"' in head and b'"version"' in head and b'"status"' in head:
        return "inspect"
    return None


def _release(root: Path, left_out: list[LeftOut]) -> Iterator[ResultFile]:
    """The runs a release lists, out of <output>/runs beside its own <output>/releases."""
    try:
        members = load(root / _MEMBERS)
    except (OSError, BrokenError):
        return
    if not isinstance(members, dict):
        return
    for run, suite in members.items():
        name = str(run).replace("/", "_")
        folder = root.parents[1] / "runs" / str(suite) / name
        found = {kind: folder / file for file, kind in _RUN_FILES.items()}
        if not (folder / "run_spec.json").is_file():
            left_out.append(LeftOut(folder, "the release lists this run, which is not there"))
        for kind, path in found.items():
            if path.is_file():
                yield ResultFile(root.name, name, kind, path)
