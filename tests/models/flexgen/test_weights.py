"""Folders that are whole are described; folders that are not are refused in one line."""

import json
import shutil

import pytest
import torch

from models.flexgen.adapters import ADAPTERS
from models.flexgen.config import Budgets, Policy
from models.flexgen.engine import Engine
from models.flexgen.files import Scratch
from models.flexgen.tiers import Buffer
from models.flexgen.weights import WeightFolder


@pytest.fixture
def folder(tiny, tmp_path):
    """A copy of a tiny model that a test may spoil."""
    return shutil.copytree(tiny("opt").weights.folder, tmp_path / "model")


def changed(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_shape(tiny):
    shape = tiny("llama").weights.shape
    assert (shape.layers, shape.width, shape.heads, shape.kv_heads) == (3, 48, 4, 2)
    assert (shape.ffn, shape.vocab, shape.context, shape.gated) == (112, 199, 96, True)
    assert shape.layer_values == 48 * 48 * 2 + 48 * 24 * 2 + 3 * 48 * 112
    assert shape.layer_vector_values == 2 * 48
    assert shape.layer_bytes(Policy()) == 4 * (shape.layer_values + 96)


@pytest.mark.parametrize("kind", ["opt", "gpt2", "qwen2"])
def test_opt_layer_is_the_sheets_w(kind, tiny):
    shape = tiny("opt").weights.shape
    matrices = 2 * (4 * shape.width**2 + 2 * shape.width * shape.ffn)
    assert shape.layer_values * 2 == matrices  # w_i = 8 h1^2 + 4 h1 h2 in fp16
    assert tiny(kind).weights.shape.tied


def test_tensors_come_as_they_are_stored(tiny):
    model = tiny("neox")
    parameters = model.model.state_dict()
    for name in model.weights.adapter.layer_names(1).values():
        assert torch.equal(model.weights.load(name), parameters[name])


def test_an_unknown_architecture_names_the_known(folder):
    changed(folder, architectures=["MambaForCausalLM"])
    with pytest.raises(ValueError, match="of architecture MambaForCausalLM; known are GPT2LMHead"):
        WeightFolder(folder)
    assert len(ADAPTERS) == 5


def test_opt_350m_is_refused(folder):
    changed(folder, do_layer_norm_before=False)
    with pytest.raises(ValueError, match="OPT-350M"):
        WeightFolder(folder)


@pytest.mark.parametrize("keep", [4, 100, -1000])
def test_a_file_cut_short_is_refused(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="cut short"):
        WeightFolder(folder)


def test_missing_files_and_tensors_are_named(folder):
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        WeightFolder(folder.parent)
    changed(folder, num_hidden_layers=4)
    with pytest.raises(ValueError, match=r"lacks the tensor model.decoder.layers.3"):
        Engine(WeightFolder(folder), Policy(), Budgets(1 << 26, 1 << 26, folder / "disk"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"lacks the weights file model\.safetensors"):
        WeightFolder(folder)


def test_a_file_that_shrinks_during_a_run_is_noticed(folder):
    weights = WeightFolder(folder)
    path = folder / "model.safetensors"
    budgets = Budgets(1 << 26, 1 << 26, folder / "disk")
    with Engine(weights, Policy(wg=0, wd=100), budgets) as run:
        path.write_bytes(path.read_bytes()[:300_000])
        with pytest.raises(ValueError, match="cut short"):
            run.generate([[3, 4]], 2)


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize(("offset", "size"), [(0, 4096), (1, 1), (4095, 2), (5000, 20_000)])
def test_what_is_written_is_read(cold, offset, size, tmp_path):
    scratch = Scratch(tmp_path, 40_000, cold)
    data = torch.randint(0, 256, (size,), dtype=torch.uint8)
    scratch.write(offset, data)
    assert torch.equal(scratch.read(offset, size, Buffer(size + 8192)), data)
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="cannot hold"):
        Scratch(tmp_path, 1 << 60, cold=True)
