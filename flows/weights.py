"""`headwater models`: which language models there are, getting one, what one is, keeping one."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from data.lake import Lake
from data.lake.catalog import Catalog
from flows.errors import CallError
from models.lm.cards import Card
from models.lm.names import KNOWN, source_of
from models.lm.pulling import pull
from models.lm.store import ModelStore
from tasks.settings import lake_url, models_dir

_PIPE_WIDTH = 160  # columns when the output is no terminal


def list_models() -> None:
    """Known models and all others that are there: size, licence, and whether they are."""
    store = ModelStore(models_dir())
    present = {card.name: card for card in store.cards()}
    listing = Table("model", "size", "licence", "present", "parameters", "source", box=None)
    for name in [*KNOWN, *(name for name in present if name not in KNOWN)]:
        card = present.get(name)
        if card is None:
            known = KNOWN[name]
            source = f"{known.package} {known.version} (PyPI)"
            listing.add_row(name, _size(known.bytes), known.licence, "no", "", source)
            continue
        there = "yes" if _whole(store, name) else "damaged"
        millions = f"{card.parameters / 1e6:,.1f} M"
        listing.add_row(name, _size(card.bytes), card.licence, there, millions, card.source)
    _console().print(listing)
    print(f"kept in {store.root}; headwater models pull NAME gets one")


def pull_model(name: str) -> None:
    """Gets a model, with a bar on a terminal and lines elsewhere; nothing to do if it is there."""
    source_of(name)  # a wrong name is told before anything is shown
    out = Console(stderr=True)
    columns = (TextColumn("getting {task.description}"), BarColumn())
    bars = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    with bars:
        bar = bars.add_task(name, total=None)
        if not out.is_terminal:
            print(f"getting {name}")
        card = pull(
            name, models_dir(), lambda done, total: bars.update(bar, completed=done, total=total)
        )
    print(f"{card.name} is in {ModelStore(models_dir()).folder(card)} ({_size(card.bytes)})")


def show(name: str, *, verify: bool) -> None:
    """Prints a model's card; with `verify`, after hashing every file of it."""
    store, source = ModelStore(models_dir()), source_of(name)
    card = store.verify(source.name) if verify else store.find(source.name)
    if card is None:
        raise ValueError(f"model {name} is not in {store.root}; headwater models pull {name}")
    _print_card(card, store)
    if verify:
        print(f"{len(card.files)} files hashed: all as the card says")


def export(task: str, model: str, folder: Path) -> None:
    """Writes a language model of table sequence_models as a folder that is a model's name."""
    from models.sequence.config import BackboneConfig
    from models.sequence.language_model import write_folder

    found = [
        row
        for row in Catalog(Lake(lake_url())).rows(
            "SELECT task, model, seed, config, tokenizer, weights FROM sequence_models "
            "WHERE tokenizer IS NOT NULL ORDER BY seed"
        )
        if row["task"] == task and row["model"] == model
    ]
    if not found:
        there = _language_models()
        raise CallError(
            f"no language model {model!r} trained on {task!r} in table sequence_models; there are "
            f"{there or 'none: headwater run sequence --set folder=DATASETS trains some'}"
        )
    row = found[0]
    config = BackboneConfig.model_validate_json(row["config"])
    write_folder(row["weights"], config, row["tokenizer"], folder)
    print(f"{folder.absolute()}: {model} trained on {task}; headwater models pull {folder}")


def _language_models() -> str:
    rows = Catalog(Lake(lake_url())).rows(
        "SELECT DISTINCT task, model FROM sequence_models WHERE tokenizer IS NOT NULL ORDER BY ALL"
    )
    return "; ".join(f"{row['model']!r} on {row['task']!r}" for row in rows)


def _print_card(card: Card, store: ModelStore) -> None:
    table = Table(box=None, show_header=False)
    for field, value in card.model_dump(exclude={"files", "folder", "made_with"}).items():
        table.add_row(field, f"{value:,}" if isinstance(value, int) else value)
    made = ", ".join(f"{name} {version}" for name, version in card.made_with.items())
    table.add_row("made_with", made or "nothing: used as fetched")
    table.add_row("folder", str(store.folder(card)))
    for file in card.files:
        table.add_row(file.name, f"{file.sha256}  {file.bytes:,} bytes")
    _console().print(table, highlight=False, soft_wrap=True)


def _whole(store: ModelStore, name: str) -> bool:
    try:
        return store.find(name) is not None
    except ValueError:
        return False


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e6:,.1f} MB"


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
