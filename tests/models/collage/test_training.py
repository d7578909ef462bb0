"""The small model: built, trained, taken up after a kill, written and opened again."""

import json

import numpy as np
import pytest
import torch

from models.collage.config import TrainConfig
from models.collage.parts import build_parts, open_parts, save_parts
from models.collage.train import Captioned, rate_share, train_parts

CONFIG = TrainConfig(steps=6, batch=2, warmup=2, amp=False)


def batches(step, size):
    images = np.random.default_rng(step).integers(0, 255, (size, 16, 16, 3), np.uint8)
    return Captioned(images, ["a red star on grass"] * size)


@pytest.fixture
def fresh(parts):
    from models.collage.config import ModelConfig

    tiny = ModelConfig(size=16, channels=(16, 16), head=8, text_width=16, text_layers=1, tokens=16)
    words = list(parts.tokenizer.get_vocab())
    return lambda: build_parts(words, tiny, seed=3)


def weights(parts):
    return torch.cat([p.flatten() for n in (parts.unet, parts.text_encoder)
                      for p in n.parameters()])  # fmt: skip


def test_a_training_that_was_killed_goes_on_step_for_step(fresh, tmp_path, monkeypatch):
    whole, course = train_parts(fresh(), batches, CONFIG)
    monkeypatch.setattr("models.collage.train._SAVE_EVERY_SECONDS", 0.0)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_parts(fresh(), batches, CONFIG, folder=tmp_path, progress=stop)
    again, second = train_parts(fresh(), batches, CONFIG, folder=tmp_path)
    assert second.steps == course.steps == 6
    assert torch.equal(weights(whole), weights(again))


def test_training_lowers_the_loss(fresh):
    config = TrainConfig(steps=200, batch=2, warmup=5, amp=False)
    _, course = train_parts(fresh(), lambda step, size: batches(0, size), config)
    assert course.at == [100, 200]
    assert course.loss[1] < 0.9 * course.loss[0]


def test_the_rate_does_not_depend_on_the_end_before_it_cools():
    short, long = TrainConfig(steps=1000), TrainConfig(steps=5000)
    assert [rate_share(s, short) for s in (0, 100, 699)] == [
        rate_share(s, long) for s in (0, 100, 699)
    ]
    assert rate_share(850, short) == pytest.approx(0.5)
    assert rate_share(999, short) < 0.01


def test_a_folder_holds_all_there_is(parts, tmp_path):
    save_parts(parts, tmp_path)
    found = open_parts(tmp_path)
    assert torch.equal(weights(parts), weights(found))
    prompt = ["a red star , on grass"]
    assert torch.equal(parts.token_ids(prompt), found.token_ids(prompt))
    assert torch.equal(parts.alphas, found.alphas)
    x = torch.rand(1, 3, 16, 24) * 2 - 1
    assert torch.allclose(found.decode(found.encode(x)), x, atol=1e-6)
    assert not list(tmp_path.rglob("*.bin")), "safetensors only"


def test_folders_that_hold_no_model_are_named(parts, tmp_path):
    with pytest.raises(ValueError, match=r"no model_index\.json"):
        open_parts(tmp_path)
    save_parts(parts, tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    index["unet"] = ["os", "system"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"knows no class os\.system"):
        open_parts(tmp_path)
    del index["vae"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="lacks vae"):
        open_parts(tmp_path)
