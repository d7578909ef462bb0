"""`headwater compose`: one picture from a file, and one line for what cannot be composed."""

import json

import numpy as np
import pytest
from PIL import Image

from data.lake import Lake
from data.lake.catalog import Catalog
from flows.composing import Call, compose, example
from flows.errors import CallError

GROUND = {"image": "ground.png", "text": "grass", "background": True}
STAR = {"image": "star.png", "text": "red square", "x": 0.3, "scale": 0.3, "noise": 0.5}


@pytest.fixture
def file(tmp_path):
    """Writes a collage file for the small model with its pictures."""
    square = np.zeros((12, 12, 4), np.uint8)
    square[1:11, 1:11] = (200, 30, 30, 255)
    Image.fromarray(square).save(tmp_path / "star.png")
    Image.new("RGB", (32, 32), (80, 130, 50)).save(tmp_path / "ground.png")

    def write(*layers, prompt="a red square on grass", **fields):
        path = tmp_path / "scene.json"
        whole = {"prompt": prompt, "width": 32, "height": 24, "layers": layers, **fields}
        path.write_text(json.dumps(whole))
        return path

    return write


def call(path, output=None, **changes):
    return Call(path, output, "", 0, 4, False, False, "")._replace(**changes)


def test_a_picture_is_made_and_its_tables_are_there(file, lake_url):
    path = file(GROUND, STAR)
    compose(call(path))
    assert Image.open(path.with_suffix(".out.png")).size == (32, 24)
    catalog = Catalog(Lake(lake_url))
    [row] = catalog.rows("SELECT collage, method, width, height FROM collage_images")
    assert tuple(row.values()) == ("scene", "compose", 32, 24)
    assert catalog.rows("SELECT count(*) AS n FROM collages")[0]["n"] == 2
    before = path.with_suffix(".out.png").read_bytes()
    compose(call(path))
    assert path.with_suffix(".out.png").read_bytes() == before
    compose(call(path, seed=1))
    assert path.with_suffix(".out.png").read_bytes() != before


def test_the_example_is_composed_without_any_other_file(tmp_path, lake_url):
    path = tmp_path / "example.json"
    path.write_text(example())
    compose(call(path))
    assert Image.open(path.with_suffix(".out.png")).size == (32, 32)


def test_emoji_come_from_a_package_that_is_named(file, lake_url, tmp_path):
    snail = {"image": "emoji:snail", "text": "red square", "scale": 0.5}
    with pytest.raises(ValueError, match="layer 2: emoji:snail is not packaged"):
        compose(call(file(GROUND, snail)))
    with pytest.raises(ValueError, match="is none of the packages"):
        compose(call(file(GROUND, snail), emoji=str(tmp_path)))
    with pytest.raises(ValueError, match="openmoji: no such folder, and no package"):
        compose(call(file(GROUND, snail), emoji="openmoji"))


@pytest.mark.parametrize(
    ("layers", "fields", "said"),
    [
        ([STAR], {"prompt": "grass"}, "does not hold its text 'red square'"),
        ([GROUND, {**STAR, "image": "none.png"}], {}, r"layer 2: no file .*none\.png"),
        ([{**GROUND, "background": False}], {}, "layer 1: .* is opaque"),
        ([GROUND, {**STAR, "x": -2}], {}, "layer 2: .* outside the canvas"),
        ([GROUND, STAR], {"width": 33}, "canvas 33 x 24: both sides must be multiples of 4 px"),
        ([STAR, GROUND], {}, r"layer 1 \('red square'\): nothing of it is seen"),
    ],
)
def test_what_cannot_be_composed_publishes_nothing(file, lake_url, layers, fields, said):
    with pytest.raises(ValueError, match=said):
        compose(call(file(*layers, **fields)))
    assert not Lake(lake_url).commits("collages")


def test_calls_that_are_wrong(file, tmp_path):
    path = file(GROUND, STAR)
    with pytest.raises(CallError, match=r"write a \.png file"):
        compose(call(path, tmp_path / "x.jpg"))
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        compose(call(path, model=str(tmp_path / "nowhere")))
