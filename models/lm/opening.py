"""From a configuration to a model that can be asked. Back ends are imported when asked for."""

from __future__ import annotations

import os
import tempfile
from importlib import import_module
from pathlib import Path

from models.lm.cards import BACKBONE, Card
from models.lm.config import ModelConfig, OffloadConfig
from models.lm.interface import LanguageModel
from models.lm.names import source_of
from models.lm.store import ModelStore


def open_model(config: ModelConfig, models_dir: Path) -> LanguageModel:
    """The model a configuration names, loaded from `models_dir` (or asked over the network).

    Raises ValueError when it is not there (naming the command that gets it), is damaged, or its
    back end is not installed.
    """
    if config.backend == "openai":
        from models.lm.openai import OpenAIModel

        return OpenAIModel(config)
    card, folder = ModelStore(models_dir).open(source_of(config.name).name)
    return open_card(card, folder, config)


def open_card(card: Card, folder: Path, config: ModelConfig) -> LanguageModel:
    """The model of a card, whose files lie in `folder`; of `config` everything but the name."""
    if card.architecture == BACKBONE:
        return _backbone(folder, config)
    if config.backend == "transformers":
        from models.lm.transformers import TransformersModel

        return TransformersModel(folder, config)
    if config.backend == "gguf":
        from models.lm.gguf import GgufModel, gguf_file

        return GgufModel(gguf_file(card.name), folder, config)
    return _offloaded(card, folder, config)


def _backbone(folder: Path, config: ModelConfig) -> LanguageModel:
    if config.backend != "transformers":
        raise ValueError(
            f"backend {config.backend} cannot run {config.name}, a model trained here: leave the "
            "backend out"
        )
    # By name: tables whose models are others do not depend on the layers' code.
    layers = import_module("models.sequence.language_model")
    model: LanguageModel = layers.open_folder(folder, config.name)
    return model


def _offloaded(card: Card, folder: Path, config: ModelConfig) -> LanguageModel:
    """Weights in half of the memory if they fit there, else on the disk; all else in the other.

    A flow that knows its prompts plans better than that (models/flexgen/planner.py).
    """
    # By name: tables of systems that only may run on the engine do not depend on its code.
    settings = import_module("models.flexgen.config")
    engine = import_module("models.flexgen.language_model")
    asked = config.offload or OffloadConfig()
    half = asked.memory_bytes // 2
    host = 100 if card.bytes <= half else 0
    policy = settings.Policy(
        wg=0,
        wc=host,
        wd=100 - host,
        compress_weights=asked.compress,
        compress_cache=asked.compress,
    )
    disk = Path(asked.disk or tempfile.gettempdir()) / f"headwater-offload-{os.getpid()}"
    budgets = settings.Budgets(device_bytes=half, host_bytes=half, disk_folder=disk)
    model: LanguageModel = engine.open_offloaded(
        folder, policy, budgets, config.name, config.truncate
    )
    return model
