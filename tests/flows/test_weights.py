"""`headwater models` as people call it: in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.lake import Lake
from data.lake.tables import CONTRACTS
from models.lm.config import ModelConfig
from models.lm.interface import Sampling
from models.lm.opening import open_model
from models.lm.pulling import pull
from models.sequence.config import BackboneConfig, TrainConfig
from tasks.sequence import FitConfig, TextConfig, text_models

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path):
    """Calls `headwater models` with an own models' folder."""

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-c", "from flows.cli import main; main()", "models", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env={**os.environ, "HEADWATER_MODELS": str(tmp_path / "models")},
            timeout=120,
        )

    return call


def test_the_list_shows_what_is_known_and_what_is_here(models, tmp_path):
    listed = models("list")
    assert listed.returncode == 0, listed.stderr
    [line] = [line for line in listed.stdout.splitlines() if "smollm2-135m-instruct" in line]
    assert line.split()[1:5] == ["98.4", "MB", "Apache-2.0", "no"]
    pulled = models("pull", "random:llama-tiny@3")
    assert pulled.returncode == 0, pulled.stderr
    assert f"is in {tmp_path}/models/random--llama-tiny@3" in pulled.stdout
    lines = models("list").stdout.splitlines()
    assert any(line.split()[:1] == ["random:llama-tiny@3"] and "yes" in line for line in lines)


def test_a_card_is_shown_and_verified(models, tmp_path):
    models("pull", "random:opt-tiny")
    shown = models("show", "random:opt-tiny", "--verify")
    assert shown.returncode == 0, shown.stderr
    for told in ("OPTForCausalLM", "random weights, seed 0", "CC0-1.0", "5 files hashed: all as"):
        assert told in shown.stdout
    weights = tmp_path / "models" / "random--opt-tiny" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert models("show", "random:opt-tiny").returncode == 0, "sizes alone are cheap to look at"
    found = models("show", "random:opt-tiny", "--verify")
    assert (found.returncode, found.stdout) == (2, "")
    assert "sha256 differs" in found.stderr
    weights.write_bytes(content[:-1])
    assert "damaged" in models("list").stdout
    cured = models("pull", "random:opt-tiny")
    assert cured.returncode == 0
    assert models("show", "random:opt-tiny", "--verify").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "smollm2-135m-instruct"), "headwater models pull smollm2-135m-instruct"),
        (("show", "smolm2"), "did you mean smollm2-135m-instruct?"),
        (("pull", "smolm2"), "did you mean smollm2-135m-instruct?"),
        (("pull", "random:lama-tiny"), "did you mean random:llama-tiny?"),
        (("pull", "./no.gguf"), "there is no such file or folder"),
    ],
)
def test_a_wrong_call_is_one_line_and_code_2(models, tmp_path, arguments, told):
    done = models(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("headwater: ")
    assert told in line
    assert not (tmp_path / "models").exists()


def test_listing_models_loads_no_torch():
    script = (
        "import sys; from flows import weights; weights.list_models(); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'prefect')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False, capture_output=True, text=True, cwd=CHECKOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_trained_backbone_is_kept_and_opened_by_its_folder(models, lake_url, tmp_path):
    (tmp_path / "guide.md").write_text("Prose of a package that has words and sentences. " * 40)
    text = TextConfig(name="packages", folder=str(tmp_path), vocabulary=260, length=16)
    fit = FitConfig(
        model=BackboneConfig(pattern=("h3", "attention"), width=8, mlp=8),
        train=TrainConfig(epochs=1, checks=1),
    )
    rows = text_models.fn(text, fit)
    Lake(lake_url).publish(CONTRACTS["sequence_models"], rows, recipe="0" * 64, fields={})
    folder = tmp_path / "mine"
    missing = models("export", "packages", "h3 x2", str(folder))
    assert missing.returncode == 2
    assert "there are 'h3, attention' on 'packages'" in missing.stderr
    assert models("export", "packages", "h3, attention", str(folder)).returncode == 0
    again = models("export", "packages", "h3, attention", str(folder))
    assert again.returncode == 2
    assert "give a folder that is new" in again.stderr
    card = pull(str(folder), tmp_path / "models")
    assert (card.architecture, card.layers, card.width) == ("HeadwaterBackbone", 2, 8)
    opened = open_model(ModelConfig(name=str(folder)), tmp_path / "models")
    [completion] = opened.generate(["Prose"], Sampling(max_tokens=3))
    assert completion.completion_tokens == 3
    with pytest.raises(ValueError, match="backend gguf cannot run"):
        open_model(ModelConfig(name=str(folder), backend="gguf"), tmp_path / "models")
