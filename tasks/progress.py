"""Progress of long work: on the terminal that listens, and as an artifact in the Prefect UI."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from models.progress import Progress
from tasks.showing import key

_EVERY_SECONDS = 1.0  # an update costs a request

_listener: Callable[[str, int, int], None] | None = None


def listen(listener: Callable[[str, int, int], None] | None) -> None:
    """Sets who is told (label, done, total) in this process: the command line's progress bar."""
    global _listener  # noqa: PLW0603  one terminal a process
    _listener = listener


def progress_bar(label: str) -> Progress:
    """A callback (done, total) for the science to call as often as it likes."""
    artifact = _Artifact(label)

    def update(done: int, total: int) -> None:
        if _listener is not None:
            _listener(label, done, total)
        artifact.update(100.0 * done / max(total, 1))

    return update


class _Artifact:
    """A progress artifact of the current task run, made on the first update."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.live = _in_task_run()
        self.id: object = None
        self.due = 0.0

    def update(self, percent: float) -> None:
        if not self.live or (time.monotonic() < self.due and percent < 100):
            return
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        self.due = time.monotonic() + _EVERY_SECONDS
        try:
            if self.id is None:
                self.id = create_progress_artifact(
                    percent, key=key(f"progress-{self.label}"), description=self.label
                )
            else:
                update_progress_artifact(self.id, percent)  # type: ignore[arg-type]
        except Exception:
            self.live = False  # the work goes on whether or not it can be watched


def _in_task_run() -> bool:
    if "prefect" not in sys.modules:  # nobody can be in a run of what was never loaded
        return False
    from prefect.context import TaskRunContext

    return TaskRunContext.get() is not None
