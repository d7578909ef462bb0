"""Collage Diffusion's steps over a lake: from layers to findings, with a tiny model."""

import json

import numpy as np
import pyarrow as pa
import pytest

from data.lake import Lake
from data.lake.tables import CONTRACTS
from data.synthetic.scenes.specs import SceneConfig
from models.collage.config import (
    BootstrapConfig,
    InversionConfig,
    JudgeConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
)
from models.collage.features import installed
from models.collage.methods import Method, compared, one_layer
from models.collage.packaged import NANO, open_model
from tasks.collage import collage_images, collage_words
from tasks.collage_folders import (
    ModelFolder,
    holds_edges,
    model_folder,
    trained_model,
    with_edges,
)
from tasks.collage_layers import HeldOut, held_out_collages, picture_of, png_of, read_collages
from tasks.collage_models import collage_edges, collage_judges, collage_models
from tasks.collage_results import collage_findings, collage_intervals, collage_scores

TINY = ModelConfig(channels=(16, 16), head=8, text_width=16, text_layers=1)
SHORT = TrainConfig(steps=3, batch=4, warmup=1)
FEW = HeldOut(count=2)
SAMPLE = SampleConfig(steps=3)


@pytest.fixture
def published(lake_url):
    """Publishes a table as its step would."""
    lake, count = Lake(lake_url), iter(range(100))

    def publish(table, rows):
        return lake.publish(CONTRACTS[table], rows, recipe=f"{next(count):08}" * 8, fields={})

    return publish


def test_from_scenes_to_findings(published, tmp_path, monkeypatch):
    small = published("collage_models", collage_models.fn(SceneConfig(), TINY, SHORT))
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    plain = trained_model(small)
    assert trained_model(small) == plain
    edges = published("collage_models", collage_edges.fn(plain, SceneConfig(), SHORT))
    model = with_edges(plain, edges)
    assert (holds_edges(plain), holds_edges(model)) == (False, True)
    held_out = published("collages", held_out_collages.fn(FEW))
    quick = InversionConfig(steps=2, batch=1)
    words = published("collage_words", collage_words.fn(held_out, model, quick))
    assert words.rows == held_out.rows
    images = [
        published(
            "collage_images",
            collage_images.fn(held_out, [words] if m.words else [], model, m, [0, 1]),
        )
        for m in compared(SAMPLE) + one_layer(SAMPLE)
    ]
    assert {table.rows for table in images} == {4}
    few = JudgeConfig(width=4, steps=2, batch=2, examined=4)
    judges = published("collage_judges", collage_judges.fn(SceneConfig(seed=2), few))
    scores = published("collage_scores", collage_scores.fn(held_out, images, judges))
    published("collage_intervals", collage_intervals.fn(scores, BootstrapConfig(resamples=20)))
    found = collage_findings.fn(scores, BootstrapConfig(resamples=20))
    published("collage_findings", found)
    assert found.num_rows == 7 + installed()


def test_held_out_layers_come_back_as_they_were_drawn(published):
    held_out = published("collages", held_out_collages.fn(FEW))
    known = read_collages(held_out)
    assert list(known) == ["scene-000", "scene-001"]
    source, one, classes = known["scene-000"]
    assert source == "held-out"
    assert one.pixels.shape[1:] == (32, 32, 4)
    assert classes.shape[0] == 0
    assert min(classes.shape[1:]) > 0
    assert [layer.noise for layer in one.layers[:2]] == [0.8, 0.4]


def test_a_model_is_known_by_what_is_used_of_it(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    plain = model_folder(str(tmp_path)).digest
    with pytest.raises(ValueError, match="has no ControlNet in a folder controlnet"):
        model_folder(str(tmp_path), edges=True)
    (tmp_path / "controlnet").mkdir()
    (tmp_path / "controlnet" / "config.json").write_text("{}")
    (tmp_path / "card.json").write_text("{}")
    assert model_folder(str(tmp_path)).digest == plain
    assert model_folder(str(tmp_path), edges=True).digest != plain


def test_the_packaged_model_is_what_its_card_says(tmp_path):
    card = json.loads((NANO / "card.json").read_text())
    parts = open_model(NANO)
    trained = [*parts.unet.parameters(), *parts.text_encoder.parameters()]
    assert sum(p.numel() for p in trained) == card["small"]["parameters"]
    assert sum(p.stat().st_size for p in NANO.rglob("*") if p.is_file()) < 12_000_000
    (tmp_path / "unet").mkdir()
    (tmp_path / "card.json").write_text(json.dumps({"sha256": {"unet/x.safetensors": "0"}}))
    (tmp_path / "unet" / "x.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="not the file that card"):
        open_model(tmp_path)


def test_the_packaged_model_puts_layers_where_they_belong(published):
    """Colours inside the masks come out nearer to the layers' than the ground's are."""
    held_out = published("collages", held_out_collages.fn(FEW))
    model = ModelFolder(digest="0", folder=str(NANO))
    method = Method(name="layers", sample=SampleConfig(steps=10), objects=0.6)
    made = collage_images.fn(held_out, [], model, method, [0]).to_pylist()
    for row in made:
        one = read_collages(held_out)[row["collage"]].collage
        picture = picture_of(row["png"]).astype(float)
        for layer, mask in zip(one.pixels[1:], one.visible[1:], strict=True):
            wanted = layer[mask > 0.9][:, :3].mean(0)
            there, elsewhere = picture[mask > 0.9].mean(0), picture[one.visible[0] > 0.9].mean(0)
            assert np.linalg.norm(there - wanted) < np.linalg.norm(elsewhere - wanted)


def test_pngs_lose_nothing():
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 4), np.uint8)

    assert np.array_equal(picture_of(png_of(picture)), picture)


def test_a_sweep_counts_the_swept_layer_alone(published):
    """Outside of another layer's mask lies what the swept one changes."""
    kept = {"collage": "a", "seed": 0, "metric": "outside"}
    rows = [
        {**kept, "method": method, "layer": layer, "value": value}
        for method in ("one layer 0.2", "words")
        for layer, value in ((1, 0.1), (2, 0.5))
    ]
    scores = published("collage_scores", pa.Table.from_pylist(rows))
    found = collage_intervals.fn(scores, BootstrapConfig(resamples=20)).to_pylist()
    assert {row["method"]: row["mean"] for row in found} == pytest.approx(
        {"one layer 0.2": 0.1, "words": 0.3}
    )
