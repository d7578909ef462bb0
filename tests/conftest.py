"""What all tests share: a lake of their own, and one Prefect server for the whole run."""

import os
import tempfile
from pathlib import Path

import pytest

# Prefect reads its home when it is first imported, so it must be ours before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="headwater-tests-", ignore_cleanup_errors=True)
os.environ["HEADWATER_HOME"] = _HOME.name
for name in ("HEADWATER_LAKE", "HEADWATER_RUNNER", "HEADWATER_WORKERS", "PREFECT_API_URL"):
    os.environ.pop(name, None)

# The sums of these small tests are faster, and equal every time, on one thread.
os.environ["OMP_NUM_THREADS"] = "1"

from flows import server  # noqa: E402  the environment above comes first

server.configure_client()

SHARED = Path(__file__).resolve().parents[2] / "shared" / "datasets"


@pytest.fixture(autouse=True)
def lake_url(tmp_path, monkeypatch):
    """Every test has a lake of its own."""
    url = str(tmp_path / "lake")
    monkeypatch.setenv("HEADWATER_LAKE", url)
    return url


@pytest.fixture(scope="session")
def prefect_server():
    """The address of the one real server of this test run."""
    running = server.ensure_server(server.PORT, keep=True)
    server.configure_client(running.url)
    yield running.url
    server.send_logs()
    server.stop("server")


@pytest.fixture(scope="session")
def shared_datasets():
    """Folder of the data sets beside the checkout; its absence is a failure, not a skip."""
    assert SHARED.is_dir(), f"tests marked 'shared' need {SHARED}; deselect: -m 'not shared'"
    return SHARED
