"""The folder of models on this machine: each under its name, whole or not there at all.

<root>/<name>/{model.safetensors, config.json, tokenizer.json, ..., card.json}
<root>/<name>/.verified      size and time of the files that were last hashed and found right
<root>/.tmp-<name>-*         what a killed pull left; the next pull of the name removes it
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from models.lm.cards import CARD, Card, corruption, misfit, model_files
from models.progress import Progress, silent

_VERIFIED = ".verified"


class ModelStore:
    """Models in folder `root`, which is made when the first one is kept. Cheap; holds no state."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def place(self, name: str) -> Path:
        """Where the model of this name is, or would be."""
        return self.root / re.sub(r"[^A-Za-z0-9._@+-]+", "--", name).strip("-.")

    def find(self, name: str) -> Card | None:
        """The card of a model whose files all have their size; None when it is not there.

        Raises ValueError when it is there but damaged.
        """
        card = self._card(self.place(name))
        if card is None:
            return None
        wrong = misfit(card, self.folder(card))
        if wrong is not None:
            raise ValueError(f"{wrong}; {_cure(name)}")
        return card

    def cards(self) -> list[Card]:
        """All models there, by name; damaged ones included."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        cards = [self._card(folder) for folder in folders if not folder.name.startswith(".")]
        return [card for card in cards if card is not None]

    def by_weights(self, weights_sha256: str) -> Card | None:
        """The model that has these weights, whatever it is called here."""
        found = [card for card in self.cards() if card.weights_sha256 == weights_sha256]
        return self.find(found[0].name) if found else None

    def folder(self, card: Card) -> Path:
        """Where the files of a model lie."""
        return Path(card.folder) if card.folder else self.place(card.name)

    def open(self, name: str) -> tuple[Card, Path]:
        """Card and folder of a model fit to be loaded.

        Sizes are looked at every time; every file is hashed on first use, and again once its size
        or time has changed. Raises ValueError saying what is wrong and what cures it.
        """
        card = self.find(name)
        if card is None:
            raise ValueError(f"model {name} is not in {self.root}; headwater models pull {name}")
        if self._stamp(card) != self._verified(name):
            self.verify(name)
        return card, self.folder(card)

    def verify(self, name: str, progress: Progress = silent) -> Card:
        """Hashes every file of a model; raises ValueError for the first that is not as told."""
        card = self.find(name)
        if card is None:
            raise ValueError(f"model {name} is not in {self.root}; headwater models pull {name}")
        stamp = self._stamp(card)
        wrong = corruption(card, self.folder(card), progress)
        if wrong is not None:
            (self.place(name) / _VERIFIED).unlink(missing_ok=True)
            raise ValueError(f"{wrong}; {_cure(name)}")
        try:
            (self.place(name) / _VERIFIED).write_text(stamp)
        except OSError:
            pass  # a store that cannot be written to is hashed every time
        return card

    def keep(self, name: str, make: Callable[[Path], Card]) -> Card:
        """Has `make` fill a new folder, and makes that folder the model: wholly or not at all.

        For one process at a time a name: hold `lock(name)`. Raises ValueError for a place that
        takes no more.
        """
        staged = self.root / f".tmp-{self.place(name).name}-{uuid.uuid4().hex[:8]}"
        for left in self.root.glob(f".tmp-{self.place(name).name}-????????"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            staged.mkdir(parents=True)
            card = make(staged)
            (staged / CARD).write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
            for file in staged.iterdir():
                _fsync(file)
            _fsync(staged)
            place = self.place(name)
            if place.exists():  # a damaged one, or the files of an earlier source
                place.rename(staged.with_name(f"{staged.name[:-8]}{uuid.uuid4().hex[:8]}"))
            staged.rename(place)
            _fsync(self.root)
        except OSError as error:
            raise ValueError(
                f"cannot keep model {name} in {self.root}: {error.strerror or error}; nothing was "
                "kept"
            ) from error
        finally:
            for left in self.root.glob(f".tmp-{self.place(name).name}-????????"):
                shutil.rmtree(left, ignore_errors=True)
        return card

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """One holder a name; the kernel lets go when the holder dies, SIGKILL included."""
        folder = self.root / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / self.place(name).name).open("w")
        except OSError as error:
            raise ValueError(
                f"cannot write to {self.root} ({error.strerror}): set HEADWATER_MODELS to another "
                "folder"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _card(self, folder: Path) -> Card | None:
        try:
            return Card.model_validate_json((folder / CARD).read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise ValueError(
                f"{folder / CARD} is damaged: remove {folder} and pull anew"
            ) from error

    def _stamp(self, card: Card) -> str:
        stats = [(path.name, path.stat()) for path in model_files(self.folder(card))]
        return json.dumps([[name, s.st_size, s.st_mtime_ns] for name, s in stats])

    def _verified(self, name: str) -> str:
        try:
            return (self.place(name) / _VERIFIED).read_text()
        except OSError:
            return ""


def _cure(name: str) -> str:
    return f"get it anew with headwater models pull {name}"


def _fsync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
