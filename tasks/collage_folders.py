"""Models as folders in diffusers' layout: the packaged one, the user's, and those trained here.

A trained one is written once under HEADWATER_HOME, whole or not at all; a plan writes none.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from data.lake import TableRef
from models.collage.config import ModelConfig
from tasks import planning, settings

if TYPE_CHECKING:
    from torch import nn


class ModelFolder(BaseModel, frozen=True, extra="forbid"):
    """A text-to-picture model in diffusers' layout, by what its files hold."""

    digest: str = Field(description="SHA-256 over its files, and its ControlNet's if that is used")
    folder: str = Field(exclude=True, description="where it lies")


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


def trained_model(small: TableRef) -> ModelFolder:
    """The small model of a `collage_models` table."""

    def write(folder: Path) -> None:
        import torch

        from data.synthetic.scenes.specs import vocabulary
        from models.collage.packaged import write_card
        from models.collage.parts import build_parts, save_parts

        [row] = small.read().to_pylist()
        config = ModelConfig.model_validate(json.loads(row["config"])["model"])
        parts = build_parts(vocabulary(), config, 0)
        _load({"unet": parts.unet, "text_encoder": parts.text_encoder}, row["weights"])
        save_parts(parts, folder, torch.float16)
        write_card(folder, {"small": _facts(row)})

    return _written(small.snapshot, write)


def with_edges(model: ModelFolder, edges: TableRef) -> ModelFolder:
    """A model together with the ControlNet of a `collage_models` table."""

    def write(folder: Path) -> None:
        from models.collage.packaged import add_edges, open_model
        from models.collage.train_edges import new_edges

        [row] = edges.read().to_pylist()
        shutil.copytree(model.folder, folder)
        network = new_edges(open_model(folder))
        _load({"controlnet": network}, row["weights"])
        add_edges(folder, network, _facts(row))

    return _written(f"{model.digest[:20]}-{edges.snapshot}", write)


def _written(name: str, write: Callable[[Path], None]) -> ModelFolder:
    place = settings.home() / "collage-models" / name
    if not planning.active() and not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as made:
            write(Path(made) / "model")
            (Path(made) / "model").rename(place)
    return ModelFolder(digest=name, folder=str(place))


def _facts(row: dict[str, Any]) -> dict[str, object]:
    """What a card tells of a training."""
    kept = ("steps", "pictures", "parameters", "train_seconds")
    last = row["losses"][-1] if row["losses"] else None
    return {**{k: row[k] for k in kept}, "last_loss": last, "config": json.loads(row["config"])}


def _load(networks: dict[str, nn.Module], weights: bytes) -> None:
    from safetensors.torch import load
    from torch import nn

    nn.ModuleDict(networks).load_state_dict(load(weights))
