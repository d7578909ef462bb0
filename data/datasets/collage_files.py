"""Collages of a user: a JSON file with a prompt and layers, and their pictures beside it.

    {"prompt": "a red mug and a lamp on a table", "width": 512, "height": 512,
     "layers": [{"image": "table.jpg", "text": "table", "background": true},
                {"image": "mug.png", "text": "red mug", "x": 0.3, "y": 0.6, "scale": 0.25},
                {"image": "emoji:apple", "text": "apple", "x": 0.6, "y": 0.7, "scale": 0.1}]}

Layers are given back to front. `headwater compose --schema` prints the whole form, and
`headwater compose --example` a collage for the small model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, model_validator

from data.datasets.emoji import PREFIX, emoji_file

if TYPE_CHECKING:
    from PIL import Image

_MOST_LAYERS = 32
_MOST_PIXELS = 64_000_000  # of one layer's file

Share = Annotated[float, Field(ge=0, le=1)]


class LayerFile(BaseModel, frozen=True, extra="forbid"):
    """One layer: a picture with transparency, its words, its place and its strengths."""

    image: str = Field(
        description="PNG or WebP file beside the JSON file, or emoji:NAME", min_length=1
    )
    text: str = Field(description="its words; they occur in the prompt", min_length=1)
    x: float = Field(default=0.5, description="centre from the left [share of the width]")
    y: float = Field(default=0.5, description="centre from the top [share of the height]")
    scale: float = Field(default=1.0, description="width [share of the canvas's width]", gt=0, le=8)
    rotation: float = Field(default=0.0, description="counter-clockwise [degrees]", ge=-360, le=360)
    polygon: tuple[tuple[Share, Share], ...] = Field(
        default=(), description="corners (x, y) of the part used [share of the picture]"
    )
    background: bool = Field(
        default=False, description="stretched over the canvas; it may be opaque"
    )
    noise: float = Field(
        default=0.6, description="0 keeps its pixels, 1 keeps its words alone", ge=0, le=1
    )
    attend: float = Field(
        default=0.6, description="pull of its words towards its place", ge=0, le=4
    )
    avoid: float = Field(
        default=0.4, description="push of its words away from elsewhere", ge=0, le=4
    )
    edges: float = Field(default=0.5, description="hold of its outlines", ge=0, le=1)


class CollageFile(BaseModel, frozen=True, extra="forbid"):
    """A prompt, a canvas, and layers back to front."""

    prompt: str = Field(description="what the whole picture shows", min_length=1)
    negative: str = Field(default="", description="what it should not show")
    width: int = Field(default=512, description="[px]", ge=8, le=4096)
    height: int = Field(default=512, description="[px]", ge=8, le=4096)
    noise: float = Field(default=0.8, description="where no layer is", ge=0, le=1)
    layers: tuple[LayerFile, ...] = Field(
        description="back to front", min_length=1, max_length=_MOST_LAYERS
    )

    @model_validator(mode="after")
    def _words_in_prompt(self) -> CollageFile:
        for i, layer in enumerate(self.layers):
            if layer.text.lower() not in self.prompt.lower():
                raise ValueError(f"layer {i + 1}: the prompt does not hold its text {layer.text!r}")
            if layer.polygon and len(layer.polygon) < 3:
                raise ValueError(f"layer {i + 1}: a polygon has at least 3 corners")
        return self


def read_collage(path: Path) -> CollageFile:
    """The collage of a JSON file. Raises ValueError naming file, field and what would be right."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return CollageFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        found = error.errors()[0]
        field = ".".join(_named(part) for part in found["loc"])
        message = found["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ValueError(f"{path}: {field + ': ' if field else ''}{message}{more}") from None


def layer_files(collage: CollageFile, folder: Path, emoji: Path | None = None) -> list[Path]:
    """The picture of every layer, whether it is there or not.

    emoji: folder of a package that emoji are taken from. Raises ValueError for one it has not.
    """
    found = []
    for i, layer in enumerate(collage.layers):
        if not layer.image.startswith(PREFIX):
            found.append(folder / layer.image)
            continue
        try:
            found.append(emoji_file(layer.image.removeprefix(PREFIX), emoji))
        except ValueError as error:
            raise ValueError(f"layer {i + 1}: {error}") from None
    return found


def layer_pixels(
    collage: CollageFile, folder: Path, emoji: Path | None = None
) -> NDArray[np.uint8]:
    """All layers at their place on the canvas: RGBA (n, H, W, 4).

    Raises ValueError for files that are missing, no pictures, opaque without being a background,
    or of no area on the canvas.
    """
    files = layer_files(collage, folder, emoji)
    return np.stack(
        [
            _placed(layer, _opened(layer, file, f"layer {i + 1}"), collage, f"layer {i + 1}")
            for i, (layer, file) in enumerate(zip(collage.layers, files, strict=True))
        ]
    )


def json_schema() -> str:
    """The form of a collage file as JSON Schema."""
    return json.dumps(CollageFile.model_json_schema(), indent=2)


def example() -> str:
    """A collage file that needs no other: emoji on grass, for the packaged model."""
    ground = {"image": "emoji:large_green_square", "text": "grass", "background": True}
    layers = (
        {**ground, "noise": 0.6, "attend": 0.0, "avoid": 0.0},
        {"image": "emoji:heart", "text": "red heart", "x": 0.7, "y": 0.65, "scale": 0.45},
        {"image": "emoji:star", "text": "yellow star", "x": 0.35, "y": 0.32, "scale": 0.48},
    )
    prompt = "a red heart and a yellow star on grass"
    whole = {"prompt": prompt, "width": 32, "height": 32}
    return json.dumps({**whole, "layers": [{"noise": 0.3, **one} for one in layers]}, indent=2)


def _named(part: int | str) -> str:
    return f"{part + 1}" if isinstance(part, int) else part


def _opened(layer: LayerFile, path: Path, name: str) -> Image.Image:
    """The layer's picture as RGBA, cut to its polygon."""
    from PIL import Image, ImageChops, ImageDraw, UnidentifiedImageError

    if not path.is_file():
        raise ValueError(f"{name}: no file {path}")
    try:
        with Image.open(path) as file:
            if file.width * file.height > _MOST_PIXELS:
                raise ValueError(f"{name}: {path} has more than {_MOST_PIXELS:,} pixels")
            picture = file.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{name}: {path} is no picture that can be read ({error})") from None
    if layer.polygon:
        inside = Image.new("L", picture.size)
        corners = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in layer.polygon]
        ImageDraw.Draw(inside).polygon(corners, fill=255)
        picture.putalpha(ImageChops.multiply(picture.getchannel("A"), inside))
    low, high = picture.getchannel("A").getextrema()
    if high == 0:
        raise ValueError(f"{name}: {path} is transparent everywhere: a layer of no area")
    if low == 255 and not layer.background:
        raise ValueError(
            f"{name}: {path} is opaque; cut it out (an alpha channel or a polygon), or set "
            '"background": true'
        )
    return picture


def _placed(
    layer: LayerFile, picture: Image.Image, collage: CollageFile, name: str
) -> NDArray[np.uint8]:
    """The picture scaled, turned and moved to its place on the canvas (H, W, 4)."""
    from PIL import Image

    canvas = Image.new("RGBA", (collage.width, collage.height))
    if layer.background:
        return np.asarray(picture.resize(canvas.size, Image.Resampling.LANCZOS))
    width = round(layer.scale * collage.width)
    height = round(width * picture.height / picture.width)
    if width < 1 or height < 1:
        raise ValueError(f"{name}: scale {layer.scale:g} leaves it less than one pixel")
    # Colours under transparent pixels must not bleed in, so alpha is multiplied in meanwhile.
    scaled = picture.convert("RGBa").resize((width, height), Image.Resampling.LANCZOS)
    turned = scaled.rotate(layer.rotation, Image.Resampling.BICUBIC, expand=True).convert("RGBA")
    left = round(layer.x * collage.width - turned.width / 2)
    top = round(layer.y * collage.height - turned.height / 2)
    canvas.paste(turned, (left, top))
    placed = np.asarray(canvas)
    if not placed[..., 3].any():
        raise ValueError(f"{name}: at x {layer.x:g}, y {layer.y:g} it lies outside the canvas")
    return placed
