"""Against a little hub on this machine, which breaks off in the middle of a file."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.lm.cards import sha256
from models.lm.store import ModelStore

COMMIT = "c0ffee" * 6 + "beef"
PULL = (
    "import sys\n"
    "from pathlib import Path\n"
    "from models.lm.pulling import pull\n"
    "try:\n"
    "    told = []\n"
    "    card = pull(sys.argv[1], Path(sys.argv[2]), lambda *at: told.append(at))\n"
    "    print(card.source, card.licence, told[-1][0] == told[-1][1] > 1)\n"
    "except ValueError as error:\n"
    "    print(error)\n"
)


def lfs(file):
    if file.suffix != ".safetensors":
        return None
    return {"size": file.stat().st_size, "sha256": sha256(file), "pointerSize": 100}


class Hub(ThreadingHTTPServer):
    """One repository, org/model, with the files of a folder."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.break_at = None  # bytes of the weights after which the connection is cut, once
        self.asked = []  # (path, range) of every file asked for

    def handle_error(self, request, client_address):
        """Cut connections are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/api/models/org/model"):
            files = sorted(self.server.folder.iterdir())
            siblings = [
                {"rfilename": f.name, "size": f.stat().st_size, "lfs": lfs(f)} for f in files
            ]
            card = {"license": "mit"}
            self.reply(
                json.dumps(
                    {"id": "org/model", "sha": COMMIT, "siblings": siblings, "cardData": card}
                ).encode()
            )
        elif path.startswith(f"/org/model/resolve/{COMMIT}/"):
            self.send_file(self.server.folder / path.rsplit("/", 1)[-1])
        else:
            self.reply(b'{"error": "Repository not found"}', 404)

    def send_file(self, file):
        content = file.read_bytes()
        begin = 0
        asked = self.headers.get("range")
        if self.command == "GET":
            self.server.asked.append((file.name, asked))
        if asked:
            begin = int(asked.removeprefix("bytes=").split("-")[0])
        etag = {"etag": f'"{sha256(file)}"', "x-repo-commit": COMMIT, "accept-ranges": "bytes"}
        if begin:
            etag["content-range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        stop = self.server.break_at if file.suffix == ".safetensors" else None
        if stop and self.command == "GET":
            self.server.break_at = None
        else:
            stop = None
        self.reply(content[begin:], 206 if begin else 200, etag, stop)

    def reply(self, content, status=200, headers=None, stop=None):
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content if stop is None else content[:stop])
        if stop is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()


@pytest.fixture
def hub(merging_folder):
    with Hub(merging_folder) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def pull(name, models_dir, hub, **environment):
    """In a process of its own: the hub's client reads its address when it is imported."""
    return subprocess.run(
        [sys.executable, "-c", PULL, name, str(models_dir)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3],
        env={
            **os.environ, "PYTHONPATH": ".", "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HOME": str(models_dir.parent / "hf"), **environment,
        },
    ).stdout.strip()  # fmt: skip


def test_a_download_that_breaks_off_goes_on_by_itself(hub, tmp_path):
    hub.break_at = 10_000
    told = pull("org/model", tmp_path / "models", hub)
    assert told == f"org/model@{COMMIT} (Hugging Face hub) mit True"
    assert len([name for name, _ in hub.asked if name == "model.safetensors"]) == 2
    assert ModelStore(tmp_path / "models").verify("org/model")


def test_a_killed_download_goes_on_where_it_stopped(hub, tmp_path, merging_folder):
    models = tmp_path / "models"
    partial = models / ".partial-org--model" / COMMIT
    partial.mkdir(parents=True)
    weights = (merging_folder / "model.safetensors").read_bytes()
    (partial / "model.safetensors.part").write_bytes(weights[:10_000])
    (partial / "config.json").write_bytes((merging_folder / "config.json").read_bytes())
    pull("org/model", models, hub)
    asked = dict(hub.asked)
    assert asked["model.safetensors"] == "bytes=10000-", "only the rest is asked for"
    assert "config.json" not in asked
    card = ModelStore(models).verify("org/model")
    assert sorted(f.name for f in card.files) == sorted(f.name for f in merging_folder.iterdir())
    assert sorted(p.name for p in models.iterdir()) == [".locks", "org--model"]
    hub.asked.clear()
    pull("org/model", models, hub)
    assert hub.asked == [], "what is there is not fetched again"


def test_a_file_that_is_not_what_the_hub_says_is_refused(hub, tmp_path):
    models = tmp_path / "models"
    partial = models / ".partial-org--model" / COMMIT
    partial.mkdir(parents=True)
    (partial / "model.safetensors.part").write_bytes(b"x" * 10_000)
    told = pull("org/model", models, hub)
    assert told == "model.safetensors of org/model is not what the hub says; pull again"
    assert ModelStore(models).find("org/model") is None
    assert "org/model@" in pull("org/model", models, hub)


@pytest.mark.parametrize(
    ("name", "environment", "told"),
    [
        ("org/other", {}, "cannot get org/other from the Hugging Face hub"),
        ("org/model", {"HF_HUB_OFFLINE": "1"}, "give the path of a local folder"),
        ("org/model", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "give the path of a local folder"),
    ],
    ids=["absent", "offline", "no-network"],
)
def test_a_model_that_cannot_be_had_is_one_line(hub, tmp_path, name, environment, told):
    models = tmp_path / "models"
    [line] = pull(name, models, hub, **environment).splitlines()
    assert told in line
    assert ModelStore(models).cards() == []


def test_a_repository_without_safetensors_is_told(hub, tmp_path, merging_folder):
    hub.folder = tmp_path / "repository"
    hub.folder.mkdir()
    (hub.folder / "pytorch_model.bin").write_bytes(b"pickle")
    assert "has no safetensors" in pull("org/model", tmp_path / "models", hub)
