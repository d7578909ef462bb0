"""Steps of Collage Diffusion that train: the small model, its ControlNet, and the judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import BaseModel

from data.synthetic.scenes.specs import SceneConfig
from models.collage.config import JudgeConfig, ModelConfig, TrainConfig
from tasks.collage_folders import ModelFolder
from tasks.collage_scenes import judged_batches, scene_batches
from tasks.produces import produces, scratch
from tasks.progress import progress_bar

if TYPE_CHECKING:
    from torch import nn

    from models.collage.train import Course


@produces("collage_models", version=1)
def collage_models(scenes: SceneConfig, model: ModelConfig, train: TrainConfig) -> pa.Table:
    """The small text-to-picture model, trained on scenes; a training that was killed goes on."""
    from data.synthetic.scenes.specs import vocabulary
    from models.collage.parts import build_parts
    from models.collage.train import train_parts

    parts, course = train_parts(
        build_parts(vocabulary(), model, train.seed),
        scene_batches(scenes),
        train,
        folder=scratch(),
        progress=progress_bar("training the small model"),
    )
    networks: dict[str, nn.Module] = {"unet": parts.unet, "text_encoder": parts.text_encoder}
    configs = {"scenes": scenes, "model": model, "train": train}
    return _row("small", networks, course, train, configs)


@produces("collage_models", version=1)
def collage_edges(model: ModelFolder, scenes: SceneConfig, train: TrainConfig) -> pa.Table:
    """A ControlNet of outlines over a model, trained on scenes."""
    from models.collage.packaged import open_model
    from models.collage.train_edges import train_edges

    network, course = train_edges(
        open_model(Path(model.folder)),
        scene_batches(scenes),
        train,
        progress=progress_bar("training the ControlNet"),
    )
    configs = {"scenes": scenes, "train": train}
    return _row("edges", {"controlnet": network}, course, train, configs)


@produces("collage_judges", version=1)
def collage_judges(scenes: SceneConfig, config: JudgeConfig) -> pa.Table:
    """A segmenter and a judge of filmed against pasted, trained on scenes of their own."""
    from models.collage.judges import judges_to_bytes, train_judges

    judges = train_judges(
        judged_batches(scenes), config, progress=progress_bar("training the judges")
    )
    return pa.Table.from_pylist(
        [
            {
                "seed": config.seed,
                "steps": config.steps,
                "n_test": config.examined,
                "pixel_accuracy": judges.pixel_accuracy,
                "real_accuracy": judges.real_accuracy,
                "train_seconds": judges.seconds,
                "config": config.model_dump_json(),
                "weights": judges_to_bytes(judges),
            }
        ]
    )


def _row(
    name: str,
    networks: Mapping[str, nn.Module],
    course: Course,
    train: TrainConfig,
    configs: Mapping[str, BaseModel],
) -> pa.Table:
    from safetensors.torch import save
    from torch import nn

    whole = nn.ModuleDict(dict(networks))
    return pa.Table.from_pylist(
        [
            {
                "model": name,
                "steps": course.steps,
                "pictures": course.steps * train.batch,
                "parameters": sum(p.numel() for p in whole.parameters()),
                "train_seconds": course.seconds,
                "look_steps": course.at,
                "losses": course.loss,
                "config": json.dumps({k: v.model_dump(mode="json") for k, v in configs.items()}),
                "weights": save({k: v.contiguous() for k, v in whole.state_dict().items()}),
            }
        ]
    )
