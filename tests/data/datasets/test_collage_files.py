"""A user's collage: what is read, where layers come to lie, and what is said of bad ones."""

import json

import numpy as np
import pytest
from PIL import Image

from data.datasets.collage_files import json_schema, layer_pixels, read_collage

RED = {"image": "red.png", "text": "red star"}
GROUND = {"image": "ground.png", "text": "grass", "background": True}


@pytest.fixture
def folder(tmp_path):
    red = np.zeros((10, 20, 4), np.uint8)
    red[2:8, 5:15] = (200, 20, 20, 255)
    Image.fromarray(red).save(tmp_path / "red.png")
    Image.new("RGB", (8, 8), (40, 160, 40)).save(tmp_path / "ground.png")
    Image.new("RGBA", (8, 8)).save(tmp_path / "nothing.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


def write(folder, *layers, **fields):
    path = folder / "c.json"
    whole = {"prompt": "a red star on grass", "width": 40, "height": 20, "layers": layers, **fields}
    path.write_text(json.dumps(whole))
    return path


def pixels(folder, *layers, **fields):
    return layer_pixels(read_collage(write(folder, *layers, **fields)), folder)


def test_layers_lie_where_they_are_told_to(folder):
    found = pixels(folder, GROUND, {**RED, "scale": 0.5, "x": 0.25})
    assert found.shape == (2, 20, 40, 4)
    assert found[0].min(axis=(0, 1)).tolist() == [40, 160, 40, 255]
    rows, columns = np.nonzero(found[1, ..., 3] > 127)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 12, 5, 14)
    assert found[1, 10, 10].tolist() == [200, 20, 20, 255]


def test_rotation_is_counter_clockwise_and_keeps_the_centre(folder):
    found = pixels(folder, {**RED, "scale": 0.5, "rotation": 90})[0]
    rows, columns = np.nonzero(found[..., 3] > 127)
    assert (rows.max() - rows.min(), columns.max() - columns.min()) == (9, 5)
    assert rows.mean() == pytest.approx(9.5, abs=0.6)


def test_a_polygon_cuts_an_opaque_picture(folder):
    half = {**GROUND, "background": False, "polygon": [(0, 0), (0.4, 0), (0.4, 1), (0, 1)],
            "scale": 0.5}  # fmt: skip
    alpha = pixels(folder, half)[0, ..., 3]
    assert alpha[:, 10:16].max() == 255
    assert alpha[:, 24:].max() == 0


def test_colours_do_not_bleed_from_under_transparent_pixels(folder):
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[..., 1] = 255  # green everywhere
    picture[2:6, 2:6] = (255, 0, 0, 255)
    Image.fromarray(picture).save(folder / "red.png")
    found = pixels(folder, {**RED, "scale": 0.9})[0]
    assert found[..., 1][found[..., 3] > 8].max() < 40


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"image": "none.png"}, r"layer 1: no file .*none\.png"),
        ({"image": "broken.png"}, r"layer 1: .*broken\.png is no picture"),
        ({"image": "ground.png"}, r"layer 1: .*ground\.png is opaque; .*background"),
        ({"image": "nothing.png"}, r"layer 1: .*nothing\.png is transparent everywhere"),
        ({"x": 3.0}, r"layer 1: at x 3, y 0\.5 it lies outside the canvas"),
        ({"scale": 0.001}, r"layer 1: scale 0\.001 leaves it less than one pixel"),
    ],
)
def test_layers_that_cannot_be_used(folder, layer, said):
    with pytest.raises(ValueError, match=said):
        pixels(folder, {**RED, **layer})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"layers": []}, "layers: .* at least 1 item"),
        ({"layers": [RED] * 100}, "layers: .* at most 32 items.* not 100"),
        ({"layers": [{**RED, "text": "green mug"}]}, "layer 1: the prompt does not hold its text"),
        ({"layers": [{**RED, "attend": 9}]}, r"layers\.1\.attend: .* less than or equal to 4"),
        ({"layers": [{**RED, "noise": -0.1}]}, r"layers\.1\.noise: .* greater than or equal to 0"),
        ({"layers": [{**RED, "opacity": 1}]}, r"layers\.1\.opacity: Extra inputs"),
        ({"layers": [{**RED, "polygon": [(0, 0), (1, 1)]}]}, "layer 1: a polygon has at least 3"),
        ({"width": 0}, "width: .* greater than or equal to 8"),
    ],
)
def test_files_that_say_what_cannot_be(folder, fields, said):
    with pytest.raises(ValueError, match=said):
        read_collage(write(folder, **{"layers": [RED], **fields}))


def test_what_is_no_collage_file(folder):
    with pytest.raises(ValueError, match="no such file"):
        read_collage(folder / "none.json")
    (folder / "c.json").write_text("{")
    with pytest.raises(ValueError, match=r"c\.json: Invalid JSON"):
        read_collage(folder / "c.json")


def test_the_schema_names_every_field():
    found = json.loads(json_schema())
    assert {"prompt", "width", "height", "layers"} <= set(found["properties"])
    assert "counter-clockwise [degrees]" in json_schema()
