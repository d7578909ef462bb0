"""What of a collection is new: its documents in batches that stay as they are while it grows.

A batch is known by its members, which the record of its `documents` snapshot names. Files that no
batch holds make new batches; files that are gone or changed leave theirs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.datasets.documents import File, Unreadable, scan
from data.datasets.packages import read_packages
from data.lake import Commit, Lake
from data.lake.tables.evaporate import Documents
from models.evaporate.columns import slug
from models.evaporate.config import CorpusConfig, Place
from tasks.records import quarantine

Member = tuple[str, int, str]  # doc_id, bytes, sha256
_SMALL = 20  # a batch of less than a 20th of a full one takes in what is new


@dataclass(frozen=True)
class Batch:
    """Documents that are read and extracted together."""

    number: int
    members: list[Member]


@dataclass(frozen=True)
class Intake:
    """The batches of a collection, numbers of those without a member left, and files left out.

    place: the folder; without a path, the installed packages.
    """

    collection: str
    place: Place
    batches: tuple[Batch, ...]
    empty: tuple[int, ...]
    left_out: tuple[Unreadable, ...]


def take_in(corpus: CorpusConfig, lake: Lake) -> Intake:
    """The collection's files, old ones in the batches they are in, new ones in new batches.

    Raises ValueError if the folder is none, holds no file, or the topic names no table.
    """
    collection = slug(corpus.topic)
    if not collection:
        raise ValueError(f"topic {corpus.topic!r}: a table is named after it, so give some letters")
    folder = str(Path(corpus.folder).absolute()) if corpus.folder else ""
    files, left_out = _files(folder)
    if not files:
        raise ValueError(f"no documents in {folder}: give a folder with text, HTML or PDF files")
    known = {n: _members(commit) for n, commit in _known(lake, collection).items()}
    batches, empty = _arranged(files, known, corpus.batch)
    return Intake(collection, Place(path=folder), batches, tuple(empty), tuple(left_out))


def set_aside(intake: Intake, lake: Lake) -> None:
    """Tells the files left out, and takes batches that are empty now out of the tables' sight."""
    quarantine(f"{intake.collection}, folder", [(b.item, None, b.reason) for b in intake.left_out])
    if not intake.empty:
        return
    gone = {str(number) for number in intake.empty}
    for table in lake.tables():
        for commit in lake.commits(table):
            ours = commit.partition.get("collection") == intake.collection or (
                table == intake.collection or table.startswith(f"{intake.collection}_")
            )
            if ours and commit.partition.get("batch") in gone:
                lake.withdraw(commit)


def _files(folder: str) -> tuple[list[File], list[Unreadable]]:
    if folder:
        return scan(folder)
    documents, unreadable = read_packages()
    return [File(d.doc_id, d.size, d.sha256) for d in documents], unreadable


def _known(lake: Lake, collection: str) -> dict[int, Commit]:
    """The newest record of every batch of the collection."""
    commits = [c for c in lake.commits(Documents.table) if c.partition["collection"] == collection]
    return {int(commit.partition["batch"]): commit for commit in commits}


def _members(commit: Commit) -> list[Member]:
    return [tuple(member) for member in json.loads(commit.fields["members"])]


def _arranged(
    files: Sequence[File], known: dict[int, list[Member]], size: int
) -> tuple[tuple[Batch, ...], list[int]]:
    """Batches in order, and the numbers of those that are left empty.

    New files come in the order of their hashes: each batch, the first above all, is a fair draw.
    """
    present = {(file.doc_id, file.size, file.sha256) for file in files}
    kept = {n: [m for m in members if m in present] for n, members in sorted(known.items())}
    held = {member for members in kept.values() for member in members}
    new = sorted(present - held, key=lambda member: (member[2], member[0]))
    empty = [n for n, members in kept.items() if not members]
    filled = {n: members for n, members in kept.items() if members}
    if new and filled and len(filled[last := max(filled)]) * _SMALL < size:
        room = size - len(filled[last])
        filled[last], new = filled[last] + new[:room], new[room:]
    first = max(known, default=-1) + 1
    for number, start in enumerate(range(0, len(new), size), start=first):
        filled[number] = new[start : start + size]
    return tuple(Batch(n, members) for n, members in sorted(filled.items())), empty
