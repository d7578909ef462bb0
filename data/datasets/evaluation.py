"""Evaluation data from a folder the user gives: SMS spam, RAFT, WikiText-2, the World Factbook.

Nothing is fetched. Every reader takes the data set's own folder as it is published and raises
ValueError, naming the file, when it is not there or not what it should be.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import json
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_TAG = re.compile(r"<[^>]+>")
_COUNTRY_CODE = re.compile(r"/([a-z]{2})\.json$")


@dataclass(frozen=True)
class Labelled:
    """A text with its label, one of `labels`."""

    text: str
    label: str


@dataclass(frozen=True)
class RaftTask:
    """A task of RAFT: its labels and its 50 labelled rows, fields as "Name: value" lines."""

    name: str
    labels: Sequence[str]
    rows: Sequence[Labelled]


@dataclass(frozen=True)
class Country:
    """An entry of the World Factbook: plain texts, empty where it says nothing."""

    name: str
    capital: str
    currency: str
    region: str


def read_sms_spam(folder: Path) -> list[Labelled]:
    """5,574 messages, labelled ham or spam (CC BY 4.0)."""
    lines = _text(folder / "SMSSpamCollection").splitlines()
    rows = [line.split("\t", 1) for line in lines[1:] if "\t" in line]
    found = [Labelled(text, label) for label, text in rows if label in ("ham", "spam")]
    return _some(found, folder)


def read_raft(folder: Path, task: str) -> RaftTask:
    """One task of the RAFT benchmark's training rows (texts' licences vary)."""
    try:
        described = json.loads(_text(folder / task / "task.json"))
        columns = list(described["data_columns"])
        [(label, labels)] = described["label_columns"].items()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{folder / task}: no RAFT task with one label column ({error})"
        ) from error
    reader = csv.DictReader(_text(folder / task / "train.csv").splitlines(keepends=True))
    shown = [name for name in columns if name != "ID"]
    rows = [
        Labelled("\n".join(f"{name}: {row[name]}" for name in shown if row.get(name)), row[label])
        for row in reader
    ]
    return RaftTask(task, labels, _some(rows, folder / task))


def read_wikitext(folder: Path, split: str = "test") -> list[str]:
    """Paragraphs of at least 40 words of a WikiText-2 split (CC BY-SA 3.0), headings left out."""
    path = folder / f"{split}.txt.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    found = [line.strip() for line in lines if not line.strip().startswith("=")]
    return _some([line for line in found if len(line.split()) >= 40], folder)


def read_factbook(folder: Path) -> list[Country]:
    """Countries with a capital, out of the World Factbook (public domain), by name."""
    path = folder / "factbook-json.tar.xz"
    found = []
    try:
        with tarfile.open(path, "r:xz") as archive:
            for member in archive:
                if _COUNTRY_CODE.search(member.name):
                    file = archive.extractfile(member)
                    if file is not None:
                        found.append(_country(json.load(file)))
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    named = [country for country in found if country.name and country.capital]
    return _some(sorted(named, key=lambda country: country.name), folder)


def evaluation_digest(folder: str, names: Sequence[str]) -> str:
    """sha256 over the files of the named data sets: it changes when any of them does."""
    digest = hashlib.sha256()
    for name in sorted(names):
        for path in sorted((Path(folder) / name).rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(folder)} ".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _country(entry: dict[str, object]) -> Country:
    return Country(
        name=_leaf(entry, "Government", "Country name", "conventional short form"),
        capital=_leaf(entry, "Government", "Capital", "name"),
        currency=_leaf(entry, "Economy", "Exchange rates", "Currency").split(" (")[0],
        region=_leaf(entry, "Geography", "Map references"),
    )


def _leaf(entry: object, *path: str) -> str:
    """The plain text at a path; of alternatives and remarks the first part; empty when absent."""
    for name in (*path, "text"):
        entry = entry.get(name) if isinstance(entry, dict) else None
    text = html.unescape(_TAG.sub("", entry)) if isinstance(entry, str) else ""
    text = re.split(r"[;(]|, ", text)[0].strip()
    return "" if text.lower() in ("none", "na", "n/a") else text


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error


def _some(found: list[_T], folder: Path) -> list[_T]:
    if not found:
        raise ValueError(f"{folder}: holds no usable row")
    return found
