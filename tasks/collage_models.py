"""Steps of Collage Diffusion that train: the small model, its ControlNet, and the judges."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from data.lake import TableRef
from data.synthetic.scenes.specs import SceneConfig
from models.collage.config import JudgeConfig, ModelConfig, TrainConfig
from tasks import planning, settings
from tasks.collage import ModelFolder
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
    networks = {"unet": parts.unet, "text_encoder": parts.text_encoder}
    configs = {"scenes": scenes, "model": model, "train": train}
    return _row("small", networks, course, train, configs)


@produces("collage_models", version=1)
def collage_edges(models: Sequence[TableRef], scenes: SceneConfig, train: TrainConfig) -> pa.Table:
    """A ControlNet of outlines over the small model that was trained."""
    from data.synthetic.scenes.specs import vocabulary
    from models.collage.parts import build_parts
    from models.collage.train_edges import train_edges

    [row] = models[0].read().to_pylist()
    config = ModelConfig.model_validate(json.loads(row["config"])["model"])
    parts = build_parts(vocabulary(), config, 0)
    _load({"unet": parts.unet, "text_encoder": parts.text_encoder}, row["weights"])
    network, course = train_edges(
        parts, scene_batches(scenes), train, progress=progress_bar("training the ControlNet")
    )
    configs = {"scenes": scenes, "model": config, "train": train}
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


def trained_model(tables: Sequence[TableRef]) -> ModelFolder:
    """Trained networks as a folder, written once under HEADWATER_HOME; a plan writes nothing.

    tables: as for `write_model`. The folder serves `headwater compose --model` as well.
    """
    name = "-".join(table.snapshot for table in tables)
    place = settings.home() / "collage-models" / name
    if not planning.active() and not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as made:
            write_model(tables, Path(made) / "model")
            (Path(made) / "model").rename(place)
    return ModelFolder(digest=name, folder=str(place))


def write_model(tables: Sequence[TableRef], folder: Path) -> None:
    """Writes trained networks as a folder that `headwater compose --model` opens, with a card.

    tables: collage_models of the small model and, if it was trained, of its ControlNet.
    """
    import torch

    from data.synthetic.scenes.specs import vocabulary
    from models.collage.packaged import write_card
    from models.collage.parts import build_parts, save_parts
    from models.collage.train_edges import new_edges

    facts: dict[str, object] = {}
    rows = {row["model"]: row for table in tables for row in table.read().to_pylist()}
    config = ModelConfig.model_validate(json.loads(rows["small"]["config"])["model"])
    parts = build_parts(vocabulary(), config, 0)
    _load({"unet": parts.unet, "text_encoder": parts.text_encoder}, rows["small"]["weights"])
    save_parts(parts, folder, torch.float16)
    if "edges" in rows:
        network = new_edges(parts)
        _load({"controlnet": network}, rows["edges"]["weights"])
        network.half().save_pretrained(folder / "controlnet")
    for name, row in rows.items():
        kept = ("steps", "pictures", "parameters", "train_seconds")
        facts[name] = {
            **{key: row[key] for key in kept},
            "last_loss": row["losses"][-1] if row["losses"] else None,
            "config": json.loads(row["config"]),
        }
    write_card(folder, facts)


def _row(
    name: str,
    networks: dict[str, nn.Module],
    course: Course,
    train: TrainConfig,
    configs: dict[str, SceneConfig | ModelConfig | TrainConfig],
) -> pa.Table:
    from safetensors.torch import save
    from torch import nn

    whole = nn.ModuleDict(networks)
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


def _load(networks: dict[str, nn.Module], weights: bytes) -> None:
    from safetensors.torch import load
    from torch import nn

    nn.ModuleDict(networks).load_state_dict(load(weights))
