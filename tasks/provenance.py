"""Who made a table: the flow run, the code and the machine."""

from __future__ import annotations

import functools
import os
import platform
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent


_alone: ContextVar[str] = ContextVar("alone", default="")


@contextmanager
def alone() -> Iterator[str]:
    """Within it steps run without Prefect: same tables, no server, no UI. Yields a run id.

    For commands whose work is done sooner than a server is up.
    """
    token = _alone.set(str(uuid.uuid4()))
    try:
        yield _alone.get()
    finally:
        _alone.reset(token)


def is_alone() -> bool:
    return bool(_alone.get())


def root_run_id() -> str:
    """Id of the outermost flow run around this call; empty outside of any run."""
    if is_alone():
        return _alone.get()
    from prefect.runtime import flow_run

    inner = flow_run.id
    return _root_of(inner) if inner else ""


@functools.lru_cache(maxsize=256)
def _root_of(flow_run_id: str) -> str:
    """Asks the API once per flow run: a subflow's run is a task of its parent's."""
    from prefect.runtime import flow_run

    return str(flow_run.root_flow_run_id or flow_run_id)


@functools.cache
def git_commit() -> str:
    """Commit of this checkout, with '+' when files differ from it; 'unknown' without git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return f"{head}+" if head and _git("status", "--porcelain") else head or "unknown"


def code_version() -> dict[str, str]:
    return {
        "commit": git_commit(),
        "argv": shlex.join(sys.argv),
        "python": platform.python_version(),
        "host": platform.node(),
    }


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            check=False,
            cwd=_CHECKOUT,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
