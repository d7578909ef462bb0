"""Models on this machine: whole under their name, or not there, whatever happens meanwhile."""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.lm.cards import CARD
from models.lm.opening import open_model
from models.lm.pulling import pull
from models.lm.store import ModelStore
from tests.models.lm.conftest import settings

NAME = "random:llama-tiny"
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.models.lm.test_store", "transformers", "torch"])


@pytest.fixture
def store(tmp_path):
    pull(NAME, tmp_path)
    return ModelStore(tmp_path)


def entries(root):
    return sorted(path.name for path in root.iterdir())


def weights(store):
    return store.place(NAME) / "model.safetensors"


def test_a_model_is_made_once_and_then_found(store):
    card = store.find(NAME)
    made = weights(store).stat().st_mtime_ns
    assert pull(NAME, store.root) == card
    assert weights(store).stat().st_mtime_ns == made
    assert store.cards() == [card]
    assert store.by_weights(card.weights_sha256) == card
    assert store.by_weights("0" * 64) is None
    assert entries(store.root) == [".locks", "random--llama-tiny"]


def test_the_same_name_is_the_same_weights_anywhere(store, tmp_path_factory):
    other = pull(NAME, tmp_path_factory.mktemp("other"))
    assert other.weights_sha256 == store.find(NAME).weights_sha256
    seeded = pull(f"{NAME}@1", store.root)
    assert seeded.weights_sha256 != other.weights_sha256


def test_an_absent_model_names_the_command_that_gets_it(tmp_path):
    with pytest.raises(ValueError, match=f"headwater models pull {NAME}"):
        open_model(settings(NAME), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 1000, -1], ids=["empty", "half", "one-byte-short"])
def test_truncated_weights_are_told_and_made_anew(store, keep):
    whole = weights(store).read_bytes()
    weights(store).write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=r"model\.safetensors has .* its card says .*models pull"):
        open_model(settings(NAME), store.root)
    pull(NAME, store.root)
    assert weights(store).read_bytes() == whole


def test_missing_weights_are_told(store):
    weights(store).unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is gone"):
        open_model(settings(NAME), store.root)


def test_altered_weights_are_found_before_they_are_used(store):
    open_model(settings(NAME), store.root)
    whole = bytearray(weights(store).read_bytes())
    whole[-5] ^= 1
    weights(store).write_bytes(whole)
    for _ in range(2):  # found wrong once is no reason to trust it the next time
        with pytest.raises(ValueError, match=r"sha256 differs.*headwater models pull"):
            open_model(settings(NAME), store.root)


def test_hashing_is_done_on_first_use_and_not_again(store, monkeypatch):
    store.open(NAME)
    monkeypatch.setattr(store, "verify", lambda name: pytest.fail("hashed again"))
    store.open(NAME)


def test_a_damaged_card_is_told(store):
    (store.place(NAME) / CARD).write_text("{")
    with pytest.raises(ValueError, match=r"card\.json is damaged: remove"):
        store.find(NAME)


def test_what_a_killed_pull_left_is_removed_by_the_next(tmp_path):
    left = tmp_path / ".tmp-random--llama-tiny-0badf00d"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    other = tmp_path / ".tmp-random--opt-tiny-0badf00d"
    other.mkdir()
    pull(NAME, tmp_path)
    assert not left.exists()
    assert other.exists(), "that of another model may be at work"


def pull_for_ever(root, taken):
    """Makes the model again and again, and leaves it alone as long as the making took."""
    card = ModelStore(Path(root)).place(NAME) / CARD
    while True:
        card.unlink(missing_ok=True)
        began = time.monotonic()
        pull(NAME, Path(root))
        seconds = time.monotonic() - began
        taken.put(seconds)
        time.sleep(seconds)


def test_a_pull_killed_at_any_moment_leaves_a_whole_model_or_none(tmp_path):
    chance = random.Random(0)
    whole = 0
    for _ in range(15):
        taken = processes.SimpleQueue()
        child = processes.Process(target=pull_for_ever, args=(str(tmp_path), taken))
        child.start()
        taken.get()  # the first one also imports
        time.sleep(chance.uniform(1, 3) * taken.get())
        child.kill()
        child.join()
        card = ModelStore(tmp_path).find(NAME)  # raises if it is there but not as told
        whole += card is not None
    assert 0 < whole < 15, "the kills all came at one stage"
    pull(NAME, tmp_path)
    assert ModelStore(tmp_path).verify(NAME)
    assert entries(tmp_path) == [".locks", "random--llama-tiny"]


def pull_and_tell(root, told):
    card = pull(NAME, Path(root))
    stat = (ModelStore(Path(root)).place(NAME) / "model.safetensors").stat()
    told.put((card.weights_sha256, stat.st_ino, stat.st_mtime_ns))


def test_processes_that_pull_at_once_make_it_once(tmp_path):
    told = processes.Queue()
    pullers = [processes.Process(target=pull_and_tell, args=(str(tmp_path), told)) for _ in "1234"]
    for puller in pullers:
        puller.start()
    answers = {told.get(timeout=60) for _ in pullers}
    for puller in pullers:
        puller.join(60)
    assert len(answers) == 1
    assert entries(tmp_path) == [".locks", "random--llama-tiny"]


PULL = (
    "import sys\n"
    "from pathlib import Path\n"
    "from models.lm.pulling import pull\n"
    "{before}"
    "try:\n"
    "    pull('random:gpt2-tiny', Path(sys.argv[1]))\n"
    "except ValueError as error:\n"
    "    print(error)\n"
)


def in_a_process(script, *prefix):
    return subprocess.run(
        [*prefix, *script],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0,
    reason="this kernel gives no mount namespace to make a full disk in",
)
@pytest.mark.parametrize(
    ("option", "reason"), [("size=256k", "No space left"), ("ro", "Read-only")]
)
def test_a_full_or_closed_disk_is_told_and_nothing_stays(tmp_path, option, reason):
    """On a small disk of its own; the models' folder is seen from within."""
    shell = (
        f'mount -t tmpfs -o {option} tmpfs {tmp_path} && {sys.executable} -c "$0" {tmp_path} '
        f"&& ls -A {tmp_path}"
    )
    done = in_a_process(["bash", "-c", shell, PULL.format(before="")], "unshare", "-rm")
    assert done.returncode == 0, done.stderr
    line, *left = done.stdout.splitlines()
    assert reason in line
    assert str(tmp_path) in line
    assert left in ([], [".locks"])


def test_a_file_size_limit_is_told_and_nothing_stays(tmp_path):
    """The same fault where no mount is allowed."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    done = in_a_process([sys.executable, "-c", PULL.format(before=limit), str(tmp_path)])
    [line] = done.stdout.splitlines()
    assert "cannot keep model random:gpt2-tiny" in line, done.stderr
    assert entries(tmp_path) == [".locks"]


def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="set HEADWATER_MODELS to another folder"):
        pull(NAME, tmp_path / "file")


def test_a_local_folder_is_used_where_it_lies(merging_folder, tmp_path):
    card = pull(str(merging_folder), tmp_path)
    assert card.folder == str(merging_folder)
    assert card.source == f"{merging_folder.name} (local folder)"
    assert (card.layers, card.width, card.heads, card.context) == (2, 32, 4, 128)
    assert not list(tmp_path.glob("*/*.safetensors"))
    assert open_model(settings(merging_folder), tmp_path).context == 128


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("config.json", None, "holds no config.json"),
        ("config.json", b"{", "is not JSON"),
        ("config.json", b"{}", "has no architectures"),
        ("model.safetensors", None, r"needs its weights as \*.safetensors; none is there"),
        ("model.safetensors", b"short", "is no whole safetensors file"),
        ("model.safetensors", b"\x02" + bytes(7) + b"{}tail", "is truncated: 14 bytes of 10"),
    ],
)
def test_a_local_folder_that_is_no_model_is_told(merging_folder, tmp_path, name, content, told):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in merging_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=told):
        pull(str(folder), tmp_path / "models")
    assert entries(tmp_path / "models") == [".locks"]


def test_pickled_weights_are_refused(merging_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes((merging_folder / "config.json").read_bytes())
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="pickled weights are not read"):
        pull(str(folder), tmp_path / "models")


def test_a_local_folder_that_changed_is_told_until_it_is_pulled_again(merging_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in merging_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    before = pull(str(folder), tmp_path / "models")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    with pytest.raises(ValueError, match=r"config\.json .*headwater models pull"):
        open_model(settings(folder), tmp_path / "models")
    after = pull(str(folder), tmp_path / "models")
    assert (after.context, before.context) == (64, 128)
    assert after.weights_sha256 != before.weights_sha256
    assert open_model(settings(folder), tmp_path / "models").context == 64


def test_a_control_has_shape_and_tokenizer_of_the_trained_one(smollm2, models_dir):
    control = pull("random:smollm2-135m-instruct@5", models_dir)
    trained = ModelStore(models_dir).find("smollm2-135m-instruct")
    for field in ("architecture", "parameters", "layers", "width", "heads", "context"):
        assert getattr(control, field) == getattr(trained, field)
    assert control.weights_sha256 != trained.weights_sha256
    [ours] = [f.sha256 for f in control.files if f.name == "tokenizer.json"]
    [theirs] = [f.sha256 for f in trained.files if f.name == "tokenizer.json"]
    assert ours == theirs
