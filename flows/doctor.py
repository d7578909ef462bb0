"""`headwater doctor`: is this machine fit to run Headwater, and if not, what to do about it."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from data.lake import Lake, LakeError
from flows import server
from tasks.provenance import cores, git_commit
from tasks.settings import home, lake_url

# Versions with which the server stack is known to break (scheduled runs are never inserted, the
# server does not start), although Prefect's own requirements admit them.
_BROKEN = {"fastapi": (0, 151), "sqlalchemy": (2, 1)}
_LEAST_FREE_GIB = 2.0


def report() -> bool:
    """Prints a line per check; True when nothing stands in the way."""
    fine = True
    for check in (_python, _versions, _lake, _disk, _sandbox, _server, _code):
        for good, line in check():
            fine &= good
            print(f"{'ok  ' if good else 'BAD '} {line}")
    return fine


def _python() -> Iterator[tuple[bool, str]]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield (
        sys.version_info >= (3, 11),
        f"Python {version}, {cores()} cores (3.11 or newer is needed)",
    )


def _versions() -> Iterator[tuple[bool, str]]:
    for name in ("prefect", "fastapi", "sqlalchemy", "duckdb", "pyarrow", "pandas", "torch"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{name} is not installed: pip install -c constraints.txt -e ."
            continue
        numbers = tuple(int(part) for part in version.split(".")[:2])
        good = name not in _BROKEN or numbers < _BROKEN[name]
        advice = "" if good else ": breaks the Prefect server; pip install -c constraints.txt -e ."
        yield good, f"{name} {version}{advice}"


def _lake() -> Iterator[tuple[bool, str]]:
    try:
        lake = Lake(lake_url())
        lake.check_writable()
        yield True, f"lake {lake.url}: writable, {len(lake.tables())} tables"
    except LakeError as error:
        yield False, str(error)


def _disk() -> Iterator[tuple[bool, str]]:
    lake = lake_url()
    if "://" in lake:
        return
    place = Path(lake)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    yield free >= _LEAST_FREE_GIB, f"{free:.0f} GiB free at {place} ({_LEAST_FREE_GIB:g} wanted)"


def _sandbox() -> Iterator[tuple[bool, str]]:
    """What stands around code that a language model wrote; without Landlock and seccomp, little."""
    from models.evaporate.sandbox.runner import Sandbox, SandboxError

    try:
        with Sandbox() as sandbox:
            level = sandbox.level
    except (OSError, SandboxError) as error:
        yield False, f"no sandbox for functions that models write: {error}"
        return
    missing = [wall for wall in ("landlock", "seccomp") if wall not in level]
    advice = f"; without {' and '.join(missing)} it does not stop all" if missing else ""
    yield not missing, f"sandbox for functions that models write: {level}{advice}"


def _server() -> Iterator[tuple[bool, str]]:
    for name in ("server", "worker"):
        service = server.known(name)
        if service is None:
            yield True, f"{name} not running (headwater up starts it)"
        else:
            yield name == "worker" or service.healthy, f"{name} at {service.url}, home {home()}"


def _code() -> Iterator[tuple[bool, str]]:
    yield True, f"code at commit {git_commit()}"
