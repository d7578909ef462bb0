"""Language models for every step: which one, by its weights, and how it is asked.

    model = language_model(config.model)            # in a flow: a TableRef, one row
    ...
    with open_listed(model) as lm:                  # in a step that takes that reference
        answers = lm.generate(prompts, Sampling(max_tokens=32), progress_bar("answering"))

The reference's row holds name, settings and the hash of the weights, so that a step's recipe
changes with what decides the answers and with nothing else, least of all with a path.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa
from pydantic import BaseModel, Field

from data.lake import Lake, TableRef
from models.lm.config import ModelConfig
from tasks import planning
from tasks.lm_requests import Cached
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.settings import lake_url, models_dir


class Listing(BaseModel, frozen=True, extra="forbid"):
    """What makes a row of language_models: the settings, and the hash of what was fetched."""

    config: ModelConfig = Field(description="how it is run; of a local path the last part alone")
    source_sha256: str = Field(description="of the source; empty where the name says it all")
    # Where the weights come from here and now is no part of what they are.
    name: str = Field(exclude=True, description="the name or path it is pulled by")


def language_model(config: ModelConfig) -> TableRef:
    """The row of `language_models` for a configuration, its weights being there afterwards.

    Raises ValueError for a name that means nothing and for weights that cannot be had.
    """
    from models.lm.pulling import pull

    if config.backend == "openai":
        return language_models(Listing(config=config, source_sha256="", name=config.name))
    ref = language_models(_listing(config))
    if not planning.active() and ref.hit:  # the row was found; the weights may be gone since
        pull(config.name, models_dir(), progress_bar(f"getting {config.name}"))
    return ref


@produces("language_models", version=1)
def language_models(listing: Listing) -> pa.Table:
    """The language models that systems ask: what they are and the hash of their weights."""
    from data.lake.tables.lm import LanguageModels

    config = listing.config
    row: dict[str, object] = {
        "name": config.name,
        "backend": config.backend,
        "config": config.model_dump_json(),
    }
    if config.server is not None:
        identity = f"{config.server.base_url} {config.name}"
        row |= {
            "context": config.server.context,
            "source": config.server.base_url,
            "weights_sha256": hashlib.sha256(identity.encode()).hexdigest(),
        }
    else:
        from models.lm.pulling import pull

        card = pull(listing.name, models_dir(), progress_bar(f"getting {config.name}"))
        told = set(LanguageModels.arrow_schema().names) - set(row)
        row |= card.model_dump(include=told)
    return pa.Table.from_pylist([row], schema=LanguageModels.arrow_schema())


def open_listed(model: TableRef, *, flush_seconds: float = 30.0) -> Cached:
    """The model of a row of `language_models`, its answers remembered in `lm_requests`.

    Use it as a context manager: leaving it publishes what was answered since the last flush.
    Raises ValueError when its weights are not on this machine, naming the command that gets them.
    """
    from models.lm.openai import OpenAIModel
    from models.lm.opening import open_card
    from models.lm.store import ModelStore

    [row] = model.read().to_pylist()
    config = ModelConfig.model_validate_json(row["config"])
    if config.backend == "openai":
        return Cached(OpenAIModel(config), row, Lake(lake_url()), flush_seconds)
    store = ModelStore(models_dir())
    card = store.by_weights(row["weights_sha256"])
    if card is None:
        raise ValueError(
            f"the weights of {config.name} that table language_models tells of are not in "
            f"{store.root}; headwater models pull {config.name}"
        )
    opened = open_card(*store.open(card.name), config)
    return Cached(opened, row, Lake(lake_url()), flush_seconds)


def _listing(config: ModelConfig) -> Listing:
    """Settings and source of a model, by its label; a hub model is pulled to know its source."""
    from models.lm import names
    from models.lm.cards import sha256
    from models.lm.pulling import pull
    from models.lm.store import ModelStore

    source = names.source_of(config.name)
    digest = ""
    match source:
        case names.Packaged():
            digest = source.sha256
        case names.LocalGguf():
            digest = sha256(source.path)
        case names.LocalFolder():
            digest = pull(config.name, models_dir()).source_sha256
        case names.Hub():
            card = ModelStore(models_dir()).find(source.name)
            if card is None and not planning.active():
                card = pull(config.name, models_dir(), progress_bar(f"getting {config.name}"))
            digest = card.source_sha256 if card else ""
        case names.RandomShape():
            digest = ""
    labelled = config.model_copy(update={"name": names.label(source)})
    return Listing(config=labelled, source_sha256=digest, name=config.name)
