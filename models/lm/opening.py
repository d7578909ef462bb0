"""From a configuration to a model that can be asked. Back ends are imported when asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from models.lm.cards import Card
from models.lm.config import ModelConfig
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
    if config.backend == "transformers":
        from models.lm.transformers import TransformersModel

        return TransformersModel(folder, config)
    if config.backend == "gguf":
        from models.lm.gguf import GgufModel, gguf_file

        return GgufModel(gguf_file(card.name), folder, config)
    # By name: tables of systems that only may run on the engine do not depend on its code.
    engine = import_module("models.flexgen.language_model")
    model: LanguageModel = engine.open_offloaded(folder, config)
    return model
