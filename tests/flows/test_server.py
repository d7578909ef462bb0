"""The server that runs share: started by the first, stopped by the last, truthful after a kill."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from data.lake import Lake
from flows import server

pytestmark = pytest.mark.flow

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()", "run", "tart"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, and no server that anyone chose."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    yield tmp_path / "home"
    server.stop("server")


def states(home):
    with sqlite3.connect(home / "prefect" / "prefect.db") as database:
        found = database.execute("SELECT state_type FROM flow_run ORDER BY created").fetchall()
    return [state for (state,) in found]


def test_a_killed_run_is_told_as_crashed_and_the_last_run_stops_the_server(home, lake_url):
    with Path(os.devnull).open("w") as nowhere:
        killed = subprocess.Popen(
            [*COMMAND, "--set=tasks.problems=32"], cwd=CHECKOUT, stdout=nowhere, stderr=nowhere
        )
    until = time.monotonic() + 120
    while not Lake(lake_url).commits("logistic_tasks") and time.monotonic() < until:
        time.sleep(0.1)
    killed.kill()
    killed.wait()
    left_behind = server.known("server")
    assert left_behind is not None
    assert states(home) == ["RUNNING"]

    small = ["--set=tasks.problems=32", "--set=training.optimisation.steps=20"]
    done = subprocess.run(
        [*COMMAND, *small], check=False, cwd=CHECKOUT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "logistic_tasks: hit" in done.stderr
    assert left_behind.url in done.stderr, "the server that was left is used"
    assert states(home) == ["CRASHED", "COMPLETED"]
    assert server.known("server") is None
    assert not server.group_lives(left_behind.pid)


@pytest.fixture
def busy():
    """A server on loopback that gives the answers of a list, one a request."""
    codes = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(codes.pop(0))
            self.end_headers()
            self.wfile.write(json.dumps({"left": len(codes)}).encode())

        def log_message(self, *_):
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", codes
    listening.shutdown()
    listening.server_close()


def test_a_server_whose_database_is_locked_is_asked_again(busy):
    url, codes = busy
    codes += [503, 503, 200]
    assert server.ask(url, "flow_runs/filter", {}) == {"left": 0}


def test_other_refusals_are_told_at_once(busy):
    url, codes = busy
    codes += [409, 200]
    with pytest.raises(urllib.error.HTTPError, match="409"):
        server.ask(url, "flow_runs/filter", {})
    assert codes == [200]
