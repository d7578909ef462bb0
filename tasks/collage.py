"""Steps of Collage Diffusion: layers, words learned for them, and pictures composed of them."""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, Field

from data.datasets.collage_files import CollageFile
from data.lake import TableRef
from data.synthetic.scenes.specs import SceneConfig
from models.collage.config import InversionConfig
from models.collage.methods import Method
from tasks.produces import produces
from tasks.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.collage.layers import Collage
    from models.collage.sampler import Words
    from models.collage.scores import Classes

HELD_OUT = "held-out"
_LAYER = ("text", "noise", "attend", "avoid", "edges")


class HeldOut(BaseModel, frozen=True, extra="forbid"):
    """Collages made of scenes that no network has seen."""

    scenes: SceneConfig = Field(
        default=SceneConfig(objects=(2, 3), seed=1_000_003), description="their scenes"
    )
    count: int = Field(default=32, description="collages", ge=1)
    noise: float = Field(default=0.6, description="of objects", ge=0, le=1)
    ground_noise: float = Field(default=0.6, description="of grounds", ge=0, le=1)
    attend: float = Field(default=0.6, description="w_pos of objects", ge=0)
    avoid: float = Field(default=0.4, description="w_neg of objects", ge=0)
    edges: float = Field(default=0.7, description="hold of objects' outlines", ge=0, le=1)


class ModelFolder(BaseModel, frozen=True, extra="forbid"):
    """A text-to-picture model in diffusers' layout, by what its files hold."""

    digest: str = Field(description="SHA-256 over its files, and its ControlNet's if that is used")
    folder: str = Field(exclude=True, description="where it lies")


class CollageJson(BaseModel, frozen=True, extra="forbid"):
    """A user's collage and the pictures of its layers, by what they hold."""

    name: str = Field(description="of the JSON file")
    collage: CollageFile = Field(description="what the file says")
    digests: tuple[str, ...] = Field(description="SHA-256 of every layer's file")
    folder: str = Field(exclude=True, description="where the pictures lie")


def model_folder(folder: str = "", *, edges: bool = False) -> ModelFolder:
    """A model by its folder; the small one of the package by default.

    edges: whether its ControlNet is used. Raises ValueError for a folder that lacks what is wanted.
    """
    from models.collage.packaged import NANO, model_digest

    place = Path(folder) if folder else NANO
    return ModelFolder(digest=model_digest(place, edges=edges), folder=str(place))


def holds_edges(model: ModelFolder) -> bool:
    """Whether the model's folder holds a ControlNet of outlines."""
    from models.collage.packaged import has_edges

    return has_edges(Path(model.folder))


def check_collage(file: CollageJson, model: ModelFolder) -> None:
    """Raises ValueError for a user's collage whose layers, size or words cannot be used."""
    from data.datasets.collage_files import layer_pixels
    from models.collage.layers import Collage, LayerConfig
    from models.collage.packaged import open_model
    from models.collage.sampler import check_canvas
    from models.collage.words import read_prompt

    read, parts = file.collage, open_model(Path(model.folder))
    layers = tuple(
        LayerConfig(**{name: getattr(layer, name) for name in _LAYER}) for layer in read.layers
    )
    collage = Collage(read.prompt, layers, layer_pixels(read, Path(file.folder)), read.noise)
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
    from data.datasets.collage_files import layer_pixels

    pixels = layer_pixels(file.collage, Path(file.folder))
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


@produces("collage_words", version=1)
def collage_words(collages: TableRef, model: ModelFolder, config: InversionConfig) -> pa.Table:
    """A word learned for the look of every layer of every collage (textual inversion)."""
    from models.collage.inversion import learn_words, word_rows
    from models.collage.packaged import open_model

    parts, rows = open_model(Path(model.folder)), []
    found = read_collages(collages)
    bar = progress_bar("learning words for layers")
    for number, (name, one) in enumerate(found.items()):
        learned = learn_words(parts, one.collage, config)
        tenth = max(config.steps // 10, 1)
        for layer, own in enumerate(word_rows(len(one.collage.layers), config.vectors)):
            rows.append(
                {
                    "collage": name,
                    "layer": layer,
                    "vectors": config.vectors,
                    "width": learned.rows.shape[1],
                    "values": learned.rows[own].flatten().tolist(),
                    "first_loss": sum(learned.losses[:tenth]) / tenth,
                    "last_loss": sum(learned.losses[-tenth:]) / tenth,
                    "steps": config.steps,
                }
            )
        bar(number + 1, len(found))
    return pa.Table.from_pylist(rows)


@produces("collage_images", version=1)
def collage_images(
    collages: TableRef,
    words: Sequence[TableRef],
    model: ModelFolder,
    method: Method,
    seeds: Sequence[int],
) -> pa.Table:
    """Pictures that one method composes from every collage with every seed.

    words: the table of learned words, where the method has any.
    """
    from models.collage.edges import EdgeControl
    from models.collage.packaged import open_edges, open_model
    from models.collage.sampler import compose
    from models.collage.train import to_bytes

    place = Path(model.folder)
    parts = open_model(place)
    network = open_edges(place) if method.edges else None
    kept = {
        (row["collage"], row["layer"]): row for table in words for row in table.read().to_pylist()
    }
    bar = progress_bar(f"composing: {method.name}")

    def compose_batch(batch: _Batch) -> Sequence[NDArray[np.uint8]]:
        if method.pasted:
            return [one.composite for one in batch.collages]
        found = compose(
            parts,
            [method.told(one) for one in batch.collages],
            method.sample,
            batch.seeds,
            words=_words_of(kept, batch) if kept else None,
            edges=[EdgeControl(network)] if network else [],
            progress=bar,
        )
        return list(to_bytes(found))

    rows, known = [], read_collages(collages)
    for batch in _batches(known, seeds):
        asked = time.perf_counter()
        pictures = compose_batch(batch)
        spent = (time.perf_counter() - asked) / len(pictures)
        rows += [
            {
                "source": known[name].source,
                "collage": name,
                "method": method.name,
                "seed": seed,
                "width": picture.shape[1],
                "height": picture.shape[0],
                "seconds": spent,
                "png": png_of(picture),
            }
            for name, seed, picture in zip(batch.names, batch.seeds, pictures, strict=True)
        ]
    return pa.Table.from_pylist(rows)


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


_BATCH = 16  # pictures sampled at once


class _Batch(NamedTuple):
    """Collages of one size, with the seed and the name of each."""

    names: list[str]
    seeds: list[int]
    collages: list[Collage]


def _batches(found: dict[str, Known], seeds: Sequence[int]) -> Iterator[_Batch]:
    """Every collage with every seed, those of one size together."""
    by_size: dict[tuple[int, int], list[tuple[str, int, Collage]]] = defaultdict(list)
    for name, one in found.items():
        by_size[one.collage.size] += [(name, seed, one.collage) for seed in seeds]
    for members in by_size.values():
        for first in range(0, len(members), _BATCH):
            yield _Batch(*map(list, zip(*members[first : first + _BATCH], strict=True)))


def _words_of(kept: dict[tuple[str, int], dict[str, Any]], batch: _Batch) -> Words:
    """The learned words of a batch's layers."""
    import torch

    from models.collage.sampler import Words

    rows: list[torch.Tensor] = []
    layers: list[list[list[int]]] = []
    for name, one in zip(batch.names, batch.collages, strict=True):
        layers.append([])
        for i in range(len(one.layers)):
            row = kept[name, i]
            own = torch.tensor(row["values"]).view(row["vectors"], row["width"])
            layers[-1].append(list(range(len(rows), len(rows) + len(own))))
            rows += list(own)
    return Words(torch.stack(rows), layers)


def _canvas(pixels: NDArray[np.uint8]) -> dict[str, object]:
    return {"width": pixels.shape[1], "height": pixels.shape[0], "pixels": png_of(pixels)}
