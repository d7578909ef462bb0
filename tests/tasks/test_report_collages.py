"""The report's section on collages: claims, scores by method, pictures as cells."""

import re

import numpy as np
import pyarrow as pa

from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from tasks.collage_layers import png_of
from tasks.report.collages import COLLAGES, collage_findings, collage_images, collage_intervals
from tasks.report.pictures import picture
from tasks.report.reading import render


def publish(lake, name, rows):
    contract = CONTRACTS[name]
    schema = contract.arrow_schema()
    lake.publish(
        contract,
        pa.Table.from_pylist(rows, schema),
        recipe=f"{hash(str(rows)) % 10**12:064}",
        fields={},
    )


def test_an_empty_lake_says_what_fills_it(lake_url):
    assert "headwater run collage" in render(COLLAGES, Catalog(Lake(lake_url))).html


def test_claims_that_hold_and_claims_that_do_not(lake_url):
    lake = Lake(lake_url)
    one = {"value": 0.2, "low": 0.1, "high": 0.3, "bar": 0.1, "detail": "so"}
    publish(lake, "collage_findings", [
        {"finding": "this", "holds": True, **one}, {"finding": "that", "holds": False, **one},
    ])  # fmt: skip
    found = collage_findings(Catalog(lake))
    assert found is not None
    assert "1 of 2 claims" in found.verdicts[0].words
    assert [v.kind for v in found.verdicts] == ["level", "behind", "ahead"]
    assert "0.200 [0.100, 0.300]; asked was 0.10 (so)" in found.verdicts[1].words


def test_methods_stand_in_the_order_of_their_control(lake_url):
    lake = Lake(lake_url)
    numbers = {"mean": 0.5, "low": 0.4, "high": 0.6, "n_collages": 30, "n_seeds": 3}
    publish(lake, "collage_intervals", [
        {"method": m, "metric": "iou", **numbers}
        for m in ("full", "composite", "one layer 0.2", "text only")
    ])  # fmt: skip
    found = collage_intervals(Catalog(lake))
    assert found is not None
    names = re.findall(r'<th scope="row">([^<]*)', found.parts[0])
    assert names == ["composite", "text only", "full"]
    assert "30 held-out collages" in found.parts[1]


def test_pictures_are_drawn_as_cells(lake_url):
    lake = Lake(lake_url)
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 2:5] = (255, 0, 0)
    made = {"seed": 0, "width": 6, "height": 4, "seconds": 0.1, "png": png_of(image)}
    for method in ("full", "composite"):
        row = {"collage": "c", "source": "held-out", "method": method, **made}
        publish(lake, "collage_images", [row])
    found = collage_images(Catalog(lake))
    assert found is not None
    assert found.parts[0].count("<svg") == 2
    drawn = picture(png_of(image), "a picture")
    assert '<path d="M2 1h3v1H2z" fill="#f00">' in drawn
    assert 'viewBox="0 0 6 4"' in drawn


def test_large_pictures_shrink_and_broken_ones_cost_a_note():
    large = np.zeros((200, 400, 3), np.uint8)
    assert 'viewBox="0 0 48 24"' in picture(png_of(large), "")
    assert "no picture" in picture(b"none", "")
