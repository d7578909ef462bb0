"""Steps of Collage Diffusion's collages: held-out scenes taken apart, and files of users."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, Field

from data.datasets.collage_files import CollageFile
from data.lake import TableRef
from data.synthetic.scenes.specs import SceneConfig
from tasks.collage_folders import ModelFolder
from tasks.produces import produces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.collage.layers import Collage
    from models.collage.scores import Classes

HELD_OUT = "held-out"
_LAYER = ("text", "noise", "attend", "avoid", "edges")


class HeldOut(BaseModel, frozen=True, extra="forbid"):
    """Collages made of scenes that no network has seen."""

    scenes: SceneConfig = Field(
        default=SceneConfig(objects=(2, 3), seed=1_000_003), description="their scenes"
    )
    count: int = Field(default=32, description="collages", ge=1)
    noise: float = Field(default=0.4, description="of objects; the authors' 0.2 to 0.6", ge=0, le=1)
    ground_noise: float = Field(
        default=0.8, description="of grounds; the authors' 0.8 to 0.9", ge=0, le=1
    )
    attend: float = Field(default=0.6, description="w_pos of objects", ge=0)
    avoid: float = Field(default=0.4, description="w_neg of objects", ge=0)
    edges: float = Field(default=0.7, description="hold of objects' outlines", ge=0, le=1)


class CollageJson(BaseModel, frozen=True, extra="forbid"):
    """A user's collage and the pictures of its layers, by what they hold."""

    name: str = Field(description="of the JSON file")
    collage: CollageFile = Field(description="what the file says")
    digests: tuple[str, ...] = Field(description="SHA-256 of every layer's file")
    folder: str = Field(exclude=True, description="where the pictures lie")
    emoji: str = Field(
        default="",
        exclude=True,
        description="folder of the package that emoji are from; empty: ours",
    )

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All layers at their place (n, H, W, 4). Raises ValueError for those that have none."""
        from data.datasets.collage_files import layer_pixels

        package = Path(self.emoji) if self.emoji else None
        return layer_pixels(self.collage, Path(self.folder), package)


class Known(NamedTuple):
    """A collage, where it is from, and what the segmenter calls its layers."""

    source: str
    collage: Collage
    classes: Classes


def read_collages(collages: TableRef) -> dict[str, Known]:
    """The collages of a table by name. Raises ValueError for one that cannot be composed."""
    import numpy as np

    from models.collage.layers import Collage, LayerConfig
    from models.collage.scores import Classes

    by_name = defaultdict(list)
    for row in (
        collages.read().sort_by([("collage", "ascending"), ("layer", "ascending")]).to_pylist()
    ):
        by_name[row["collage"]].append(row)
    return {
        name: Known(
            rows[0]["source"],
            Collage(
                rows[0]["prompt"],
                tuple(LayerConfig(**{field: row[field] for field in _LAYER}) for row in rows),
                np.stack([picture_of(row["pixels"]) for row in rows]),
                rows[0]["canvas_noise"],
            ),
            Classes([row["shape"] for row in rows], [row["colour"] for row in rows]),
        )
        for name, rows in by_name.items()
    }


def png_of(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3 or 4) as PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def picture_of(png: bytes) -> NDArray[np.uint8]:
    """A PNG as a picture (H, W, 3 or 4)."""
    import numpy as np
    from PIL import Image

    return np.array(Image.open(io.BytesIO(png)))  # one that may be written to


def check_collage(file: CollageJson, model: ModelFolder) -> None:
    """Raises ValueError for a user's collage whose layers, size or words cannot be used."""
    from models.collage.layers import Collage, LayerConfig
    from models.collage.packaged import open_model
    from models.collage.sampler import check_canvas
    from models.collage.words import read_prompt

    read, parts = file.collage, open_model(Path(model.folder))
    layers = tuple(
        LayerConfig(**{name: getattr(layer, name) for name in _LAYER}) for layer in read.layers
    )
    collage = Collage(read.prompt, layers, file.pixels, read.noise)
    check_canvas(collage.size, parts)
    read_prompt(parts, collage.prompt, collage.texts)


@produces("collages", version=1)
def held_out_collages(config: HeldOut) -> pa.Table:
    """Layers of collages drawn from held-out scenes, every layer in a light of its own."""
    from data.synthetic.scenes.collages import scene_collages
    from data.synthetic.scenes.specs import draw_scenes

    rows = []
    scenes = draw_scenes(config.scenes, 0, config.count)
    for number, found in enumerate(scene_collages(scenes, config.scenes)):
        for i, text in enumerate(found.texts):
            strengths = (
                {"noise": config.noise, "attend": config.attend, "avoid": config.avoid,
                 "edges": config.edges}
                if i
                else {"noise": config.ground_noise, "attend": 0.0, "avoid": 0.0, "edges": 0.0}
            )  # fmt: skip
            rows.append(
                {
                    "source": HELD_OUT,
                    "collage": f"scene-{number:03}",
                    "layer": i,
                    "prompt": found.prompt,
                    "text": text,
                    **strengths,
                    "canvas_noise": config.ground_noise,
                    "shape": found.shape[i],
                    "colour": found.colour[i],
                    **_canvas(found.pixels[i]),
                }
            )
    return pa.Table.from_pylist(rows)


@produces("collages", version=1)
def file_collage(file: CollageJson) -> pa.Table:
    """Layers of a user's collage, each at its place on the canvas."""
    pixels = file.pixels
    return pa.Table.from_pylist(
        [
            {
                "source": file.name,
                "collage": file.name,
                "layer": i,
                "prompt": file.collage.prompt,
                **{name: getattr(layer, name) for name in _LAYER},
                "canvas_noise": file.collage.noise,
                "shape": 0,
                "colour": 0,
                **_canvas(pixels[i]),
            }
            for i, layer in enumerate(file.collage.layers)
        ]
    )


def _canvas(pixels: NDArray[np.uint8]) -> dict[str, object]:
    return {"width": pixels.shape[1], "height": pixels.shape[0], "pixels": png_of(pixels)}
