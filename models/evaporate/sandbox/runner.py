"""Our side of the sandbox: a worker that serves many documents and functions, and a clock."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from models.evaporate.config import SandboxConfig
from models.evaporate.sandbox import frames
from models.evaporate.sandbox.gate import Admitted

_ROOT = Path(__file__).resolve().parents[3]
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from models.evaporate.sandbox.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
_GRACE = 0.5  # seconds beyond its own after which a child is killed
_START_SECONDS = 30.0
_LOT = 8_000_000  # characters of documents that one worker holds at once
_BLOCK = 1 << 20


class SandboxError(RuntimeError):
    """The sandbox itself does not work here; no function is to blame."""


@dataclass(frozen=True)
class Run:
    """One function on a row of documents.

    values: what it returned for each, in order; () where it found nothing or failed.
    errors: documents on which it raised; error: the first of them, in words.
    struck: why it was stopped for good; None if it went through all documents.
    """

    values: list[tuple[str, ...]]
    errors: int = 0
    error: str | None = None
    struck: str | None = None


@dataclass
class _Watch:
    """What has come of one function over one lot."""

    values: list[tuple[str, ...]] = field(default_factory=list)
    errors: int = 0
    error: str | None = None
    late: int = 0
    struck: str | None = None


class Sandbox:
    """A worker process; used as a context manager, by one thread."""

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config = config or SandboxConfig()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self._level: dict[str, Any] = {}

    def __enter__(self) -> Sandbox:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def level(self) -> str:
        """The walls that stand here, strongest last, e.g. "gate, process, limits, landlock 7"."""
        walls = ["gate", "process"]
        walls += [name for name in ("limits", "no_new_privs") if self._level.get(name)]
        if self._level.get("landlock"):
            walls.append(f"landlock {self._level['landlock']}")
        return ", ".join([*walls, *(["seccomp"] if self._level.get("seccomp") else [])])

    def run(self, texts: Sequence[str], functions: Sequence[Admitted]) -> list[Run]:
        """Every function on every text. What a function does wrong is in its Run, never raised.

        A function that is struck is not asked again. Raises SandboxError if no worker can be had.
        """
        watches = [_Watch() for _ in functions]
        for lot in _lots(texts):
            self._send_texts(lot)
            for function, watch in zip(functions, watches, strict=True):
                before = len(watch.values)
                if watch.struck is None:
                    self._run_one(function, len(lot), watch)
                watch.values += [()] * (before + len(lot) - len(watch.values))
        return [Run(w.values, w.errors, w.error, w.struck) for w in watches]

    # -- the worker ------------------------------------------------------------------------------

    def _start(self) -> None:
        read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-B", "-c", _START, str(_ROOT), str(write),
                 str(self.config.memory_mib << 20)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(write,),
                cwd="/",
                env={"PYTHONHASHSEED": "0"},  # sets in the same order in every run
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(write)
        os.set_blocking(read, False)
        self._answers = read
        self._level = self._control()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        os.close(self._answers)
        self._process = None

    def _send(self, message: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            frames.write(self._process.stdin.fileno(), frames.encode(message))
        except BrokenPipeError as error:
            raise SandboxError("the sandbox worker has ended") from error

    def _send_texts(self, texts: Sequence[str]) -> None:
        try:
            self._send({"texts": list(texts)})
            self._control()
        except SandboxError:  # one worker may be lost to the machine's memory, not two in a row
            self._stop()
            self._start()
            self._send({"texts": list(texts)})
            self._control()

    def _control(self) -> dict[str, Any]:
        """The next word of the worker itself."""
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(_START_SECONDS)
        word = frames.read_one(self._process.stdout.fileno()) if ready else None
        if word is None:
            self._process.kill()
            raise SandboxError(f"the sandbox worker gave no answer in {_START_SECONDS:g} s")
        return dict(word)

    # -- one function ----------------------------------------------------------------------------

    def _run_one(self, function: Admitted, n: int, watch: _Watch) -> None:
        """Runs it on the n texts the worker holds; adds to the watch what came of it."""
        seconds = self.config.seconds
        self._send({"source": function.source, "name": function.name, "seconds": seconds})
        child = int(self._control()["pid"])
        assert self._process is not None
        assert self._process.stdout is not None
        reader, before, late_before = frames.Reader(), len(watch.values), watch.late
        forged = False
        deadline = time.monotonic() + seconds + _GRACE
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ended = False
            while not ended:
                ready = {
                    key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))
                }
                if self._process.stdout.fileno() in ready:
                    ended = True  # the child is gone: what it wrote is in the pipe
                try:
                    for message in self._arrived(reader):
                        _take(message, watch)
                        if len(watch.values) - before > n:
                            raise frames.BadFrameError("more answers than documents")
                        deadline = time.monotonic() + seconds + _GRACE
                except frames.BadFrameError as error:
                    forged = True  # so are perhaps the answers before
                    watch.struck = f"wrote to the sandbox's own pipe: {error}"
                late = time.monotonic() >= deadline
                if not ended and (late or watch.struck):
                    watch.struck = watch.struck or (
                        f"killed: no answer within {seconds + _GRACE:g} s on one document"
                    )
                    _kill(child)
                    deadline = time.monotonic() + _START_SECONDS
        status = int(self._control()["status"])
        if forged:
            del watch.values[before:]
        if watch.struck is None and len(watch.values) - before < n:
            lost = watch.late > late_before and status == 0
            watch.struck = (
                f"{watch.late} documents took longer than {seconds:g} s"
                if lost
                else f"its process ended early ({_fate(status)})"
            )

    def _arrived(self, reader: frames.Reader) -> Iterator[Any]:
        while True:
            try:
                block = os.read(self._answers, _BLOCK)
            except BlockingIOError:
                return
            if not block:
                return
            yield from reader.feed(block)


def _take(message: object, watch: _Watch) -> None:
    match message:
        case {"v": list(values)} if all(isinstance(value, str) for value in values):
            # Half a surrogate pair has no place in a table.
            kept = (value.encode("utf-8", "replace").decode() for value in values)
            watch.values.append(tuple(kept))
        case {"e": str(error)}:
            watch.values.append(())
            watch.errors += 1
            watch.error = watch.error or error.encode("utf-8", "replace").decode()
        case {"late": True}:
            watch.values.append(())
            watch.late += 1
        case _:
            raise frames.BadFrameError("a message of no known form")


def _lots(texts: Sequence[str]) -> Iterator[list[str]]:
    lot: list[str] = []
    size = 0
    for text in texts:
        if lot and size + len(text) > _LOT:
            yield lot
            lot, size = [], 0
        lot.append(text)
        size += len(text)
    if lot:
        yield lot


def _kill(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended in the meantime


def _fate(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
