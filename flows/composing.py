"""`headwater compose COLLAGE.json`: layers with words become one picture.

Done in this process, without a server.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from data.datasets.collage_files import example as example_file
from data.datasets.collage_files import json_schema, layer_files, read_collage
from data.datasets.emoji import fetch_emoji
from data.lake import Lake
from data.lake.catalog import refresh
from data.lake.tables.house import Lineage
from flows import server
from flows.console import told
from flows.errors import CallError
from tasks.settings import home, lake_url


class Call(NamedTuple):
    """The command line of `headwater compose`."""

    file: Path
    output: Path | None
    model: str
    seed: int
    steps: int
    words: bool
    edges: bool
    emoji: str  # folder or name of an npm package; empty: the packaged few


def compose(call: Call) -> None:
    """Composes the picture, publishes its tables and writes it beside the collage file.

    Raises ValueError or CallError, before anything is published, for a collage that cannot be.
    """
    output = call.output or call.file.with_suffix(".out.png")
    if output.suffix != ".png":
        raise CallError(f"--output {output}: write a .png file")
    server.configure_client()
    from models.collage.config import InversionConfig, SampleConfig
    from models.collage.methods import Method
    from tasks.collage import collage_images, collage_words
    from tasks.collage_folders import model_folder
    from tasks.collage_layers import CollageJson, check_collage, file_collage
    from tasks.provenance import alone
    from tasks.records import publish_record
    from tasks.runs import lineage_rows, used

    read = read_collage(call.file)
    folder = call.file.parent
    emoji = _emoji_folder(call.emoji)
    file = CollageJson(
        name=call.file.stem,
        collage=read,
        digests=tuple(_digest(path) for path in layer_files(read, folder, emoji)),
        folder=str(folder),
        emoji=str(emoji or ""),
    )
    model = model_folder(call.model, edges=call.edges)
    check_collage(file, model)
    method = Method(
        name="compose",
        sample=SampleConfig(steps=call.steps, negative=read.negative),
        words=call.words,
        edges=call.edges,
    )
    lake = Lake(lake_url())
    lake.check_writable()
    out = Console(stderr=True)
    with told(out), alone() as run_id:
        layers = file_collage(file)
        words = [collage_words(layers, model, InversionConfig())] if call.words else []
        made = collage_images(layers, words, model, method, [call.seed])
        publish_record(Lineage, lineage_rows(lake, used(run_id), run_id), run_id)
    refresh(lake)
    [picture] = made.read(columns=["png"]).column("png").to_pylist()
    output.write_bytes(picture)
    out.print(f"written to {output}", highlight=False)


def schema() -> str:
    """The form of a collage file as JSON Schema."""
    return json_schema()


def example() -> str:
    """A collage file to begin with."""
    return example_file()


def _emoji_folder(asked: str) -> Path | None:
    """Where emoji are taken from; a package that is named is fetched when it is not here."""
    if not asked:
        return None
    return Path(asked) if Path(asked).is_dir() else fetch_emoji(asked, home() / "emoji")


def _digest(path: Path) -> str:
    """Of a layer's file; empty for one that is not there, which is told with its layer."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
