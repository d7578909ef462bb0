"""Pictures of tables as inline SVG: cells of colour, so that the page loads nothing."""

from __future__ import annotations

import io

from tasks.report.page import Html, element, note

_MOST_CELLS = 48  # along an axis; larger pictures are shrunk to it
_SIDE = 128  # px on the page
_BITS = 4  # a channel: the short form of a colour, and long runs of one


def picture(png: bytes, says: str) -> Html:
    """A PNG as cells; a note in its place if it is none that can be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as file:
            file.thumbnail((_MOST_CELLS, _MOST_CELLS), Image.Resampling.BOX)
            small = file.convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return note("no picture")
    pixels = small.load()
    assert pixels is not None
    runs: dict[str, list[str]] = {}
    for y in range(small.height):
        row = [_colour(pixels[x, y]) for x in range(small.width)]
        start = 0
        for x in range(1, len(row) + 1):
            if x == len(row) or row[x] != row[start]:
                runs.setdefault(row[start], []).append(f"M{start} {y}h{x - start}v1H{start}z")
                start = x
    paths = [
        element("path", attributes={"d": "".join(runs[colour]), "fill": colour})
        for colour in sorted(runs)
    ]
    box = {
        "viewBox": f"0 0 {small.width} {small.height}",
        "width": _SIDE,
        "height": round(_SIDE * small.height / small.width),
        "shape-rendering": "crispEdges",
        "role": "img",
        "aria-label": says,
    }
    return element("svg", *paths, attributes=box)


def _colour(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    return "#" + "".join(f"{round(value / 255 * (2**_BITS - 1)):x}" for value in pixel)
