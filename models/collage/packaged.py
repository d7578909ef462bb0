"""The small model that is part of the package, and models in folders of the user's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from diffusers import ControlNetModel

from models.collage.parts import Parts, open_parts
from models.lm.quiet import quiet

NANO = Path(__file__).resolve().parent.parent / "weights" / "collage-nano"
_CARD = "card.json"
_EDGES = "controlnet"


def model_digest(folder: Path, *, edges: bool = False) -> str:
    """SHA-256 over the files of a model and their names; with `edges` over its ControlNet's too.

    The card does not count: it makes no picture. Raises ValueError if there is no such folder, or
    no ControlNet where one is wanted.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    if edges and not has_edges(folder):
        raise ValueError(f"{folder}: has no ControlNet in a folder {_EDGES}")
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != _CARD):
        if not edges and path.is_relative_to(folder / _EDGES):
            continue
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def open_model(folder: Path) -> Parts:
    """A model in diffusers' layout; one with a card is checked against it first.

    Raises ValueError for a weight file that is not the one its card tells of.
    """
    card = folder / _CARD
    if card.is_file():
        for name, expected in json.loads(card.read_text("utf-8"))["sha256"].items():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if found != expected:
                raise ValueError(f"{folder / name}: not the file that {_CARD} tells of")
    with quiet():
        return open_parts(folder)


def open_edges(folder: Path) -> ControlNetModel:
    """The ControlNet of outlines that lies in a model's folder."""
    with quiet():
        network: ControlNetModel = ControlNetModel.from_pretrained(
            folder / _EDGES, local_files_only=True, use_safetensors=True
        )
    return network.float().eval().requires_grad_(False)


def has_edges(folder: Path) -> bool:
    """Whether a ControlNet of outlines lies in a model's folder."""
    return (folder / _EDGES).is_dir()


def add_edges(folder: Path, network: ControlNetModel, facts: dict[str, object]) -> None:
    """Puts a ControlNet into a model's folder, in half precision, and its facts into the card."""
    network.half().save_pretrained(folder / _EDGES)
    card = folder / _CARD
    known = json.loads(card.read_text("utf-8")) if card.is_file() else {}
    write_card(folder, {**known, "edges": facts})


def write_card(folder: Path, facts: dict[str, object]) -> None:
    """Writes what is known of a model beside it, with the hashes of its weights."""
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.safetensors"))
    }
    text = json.dumps({**facts, "sha256": hashes}, indent=2)
    (folder / _CARD).write_text(text + "\n", "utf-8")
