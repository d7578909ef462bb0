"""The Prefect server of this machine: shared by runs, kept by `headwater up`, on 127.0.0.1 only.

A run needs a server. The first run to find none starts one, others that come meanwhile use it, and
the last to leave stops it; `headwater up` keeps it, with a worker and the deployments, until
`headwater down`. All of it lives under HEADWATER_HOME:

    prefect/      PREFECT_HOME: the server's database
    server.json   the server's process and address; worker.json likewise
    logs/         what they print
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from flows.errors import ServerError
from tasks.settings import home

log = logging.getLogger(__name__)

PORT = 4200
POOL = "local"
_CHECKOUT = Path(__file__).resolve().parent.parent
_START_SECONDS = 180.0  # a first start makes the database: half a minute on two busy cores
_STOP_SECONDS = 15.0
_BUSY_SECONDS = 30.0  # how long a server may say that it is busy


@dataclass(frozen=True)
class Service:
    """A background process of ours, as its JSON file tells it."""

    name: str
    pid: int
    url: str
    keep: bool

    @property
    def running(self) -> bool:
        """True when the process lives and is still the one that was started."""
        return "prefect" in _command_line(self.pid)

    @property
    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def configure_client(url: str | None = None) -> None:
    """Settings of Prefect in this process; `url` is the server it reports to, once known."""
    (home() / "prefect").mkdir(parents=True, exist_ok=True)
    settings = {
        "PREFECT_HOME": str(home() / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "data,flows,models,tasks",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # we print our own lines
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    os.environ.update(settings)
    if url is not None:
        os.environ["PREFECT_API_URL"] = f"{url}/api"
    if "prefect" in sys.modules:
        # Without this Prefect would go on without a server and start a second one for itself.
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def send_logs() -> None:
    """Waits until the server has this process's log lines, before anyone stops it."""
    for handler in logging.getLogger("prefect.flow_runs").handlers:
        handler.flush()


def known(name: str) -> Service | None:
    """The running service of this name ("server" or "worker"), if there is one."""
    try:
        service = Service(**json.loads(_file(name).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return service if service.running else None


@contextmanager
def shared_server() -> Iterator[str]:
    """Yields the address of a healthy server; stops it afterwards if nobody else needs it.

    With PREFECT_API_URL set it is that one, and neither started nor stopped here.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:  # a server of the caller's own choice
        yield given.removesuffix("/api")
        return
    with _locked("server-users.lock", fcntl.LOCK_SH) as users:
        try:
            yield ensure_server(PORT, keep=False).url
        finally:
            server = known("server")
            # Another run that goes on holds its share; the last one closes the door.
            if _try_exclusive(users) and server is not None and known("worker") is None:
                _close_abandoned_runs(server.url)
                if not server.keep:
                    stop("server")


def ensure_server(port: int, *, keep: bool) -> Service:
    """The healthy server, started if need be; `keep` makes it outlive the runs that use it.

    Raises ServerError when it does not come up.
    """
    with _locked("server-start.lock", fcntl.LOCK_EX):
        server = known("server")
        if server is None or not server.healthy:
            stop("server")
            port = port if _is_free(port) else _free_port()
            server = _start_server(port, keep)
        if keep and not server.keep:
            server = Service(server.name, server.pid, server.url, keep=True)
            _remember(server)
    return server


def start_worker(server: Service) -> Service:
    """A process worker on our pool, and every deployment of deployments/prefect.yaml."""
    environment = {**_server_environment(), "PREFECT_API_URL": f"{server.url}/api"}
    environment["HEADWATER_CHECKOUT"] = str(_CHECKOUT)
    _prefect(environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect(
        environment, "--no-prompt", "deploy", "--all", "--prefect-file", "deployments/prefect.yaml"
    )
    worker = known("worker")
    if worker is None:
        command = ["worker", "start", "--pool", POOL, "--type", "process", "--limit", "2"]
        worker = _spawn("worker", command, environment, server.url, keep=True)
    until = time.monotonic() + _START_SECONDS
    while not _is_online(server):
        if time.monotonic() > until or not worker.running:
            raise ServerError(f"the Prefect worker did not start; it said: {log_file('worker')}")
        time.sleep(0.3)
    return worker


def stop(name: str) -> bool:
    """Ends a service and all its children; True when there was one.

    A Prefect worker does not leave on SIGTERM: interrupt, wait, then kill.
    """
    service = known(name)
    _file(name).unlink(missing_ok=True)
    if service is None:
        return False
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(service.pid, sent)
        except ProcessLookupError:
            break
        until = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < until and group_lives(service.pid):
            time.sleep(0.1)
    return True


def log_file(name: str) -> Path:
    return home() / "logs" / f"{name}.log"


def _start_server(port: int, keep: bool) -> Service:
    url = f"http://127.0.0.1:{port}"
    environment = _server_environment() | {
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        # The UI asks this port, whatever --port says.
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }
    environment.pop("PREFECT_API_URL", None)
    server = _spawn("server", ["server", "start"], environment, url, keep)
    until = time.monotonic() + _START_SECONDS
    while not server.healthy:
        if time.monotonic() > until or not server.running:
            stop("server")
            raise ServerError(f"the Prefect server did not start; it said: {log_file('server')}")
        time.sleep(0.3)
    return server


def _is_online(server: Service) -> bool:
    workers = ask(server.url, f"work_pools/{POOL}/workers/filter", {})
    return any(worker["status"] == "ONLINE" for worker in workers)


def _close_abandoned_runs(url: str) -> None:
    """Marks runs as crashed that the server still has as running when nobody is left to run them.

    A killed process cannot say so itself.
    """
    running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    crashed = {"type": "CRASHED", "message": "its process ended without a word"}
    try:
        for run in ask(url, "flow_runs/filter", running):
            ask(url, f"flow_runs/{run['id']}/set_state", {"state": crashed, "force": True})
    except OSError as error:
        log.warning("the server at %s did not answer: %s", url, error)


def ask(url: str, path: str, body: Any) -> Any:
    """The answer of Prefect's REST API to a POST of `body`. Raises OSError without one."""
    request = urllib.request.Request(
        f"{url}/api/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            # How the server says that its database is locked and nothing was written: ask again.
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                raise
            time.sleep(0.5)


def _server_environment() -> dict[str, str]:
    configure_client()
    return dict(os.environ)


def _spawn(
    name: str, arguments: list[str], environment: dict[str, str], url: str, keep: bool
) -> Service:
    """Starts `prefect ARGUMENTS` as the leader of its own process group, output to its log."""
    log_file(name).parent.mkdir(parents=True, exist_ok=True)
    with log_file(name).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=_CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(name, process.pid, url, keep)
    # The system lets go of us a moment before it shows the new command line.
    while process.poll() is None and not service.running:
        time.sleep(0.01)
    _remember(service)
    return service


def _prefect(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=_CHECKOUT,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ServerError(f"prefect {' '.join(arguments)} failed: {lines[-1] if lines else ''}")


def _command_line(pid: int) -> str:
    """What a process was started as; empty when there is none."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text("utf-8")
        except OSError:
            return ""
    ask = ["ps", "-o", "args=", "-p", str(pid)]
    return subprocess.run(ask, check=False, capture_output=True, text=True).stdout


def group_lives(group: int) -> bool:
    try:
        os.waitpid(group, os.WNOHANG)  # our own child would stay a zombie otherwise
    except ChildProcessError:
        pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _remember(service: Service) -> None:
    temporary = _file(service.name).with_suffix(".tmp")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(asdict(service)), "utf-8")
    temporary.replace(_file(service.name))


def _file(name: str) -> Path:
    return home() / f"{name}.json"


@contextmanager
def _locked(name: str, how: int) -> Iterator[IO[str]]:
    home().mkdir(parents=True, exist_ok=True)
    with (home() / name).open("w") as file:
        fcntl.flock(file, how)
        yield file


def _try_exclusive(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
