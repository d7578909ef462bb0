"""The METADATA files of the installed Python packages: real semi-structured text, always at hand.

A METADATA file is a block of `Key: value` headers, an empty line and the long description, often
with look-alikes of the headers in it. The text is given as it lies on disk, line ends included;
the truth is what `importlib.metadata` reads from that same text, so both are functions of the
documents alone.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import NoReturn

from data.datasets.documents import Document, Unreadable, text_of

SOURCE = "packages"
ATTRIBUTES = (
    "Name",
    "Version",
    "Summary",
    "Requires-Python",
    "License",
    "License-Expression",
    "Author",
    "Author-email",
    "Home-page",
    "Keywords",
)


def read_packages(
    folders: Iterable[str | Path] | None = None,
) -> tuple[list[Document], list[Unreadable]]:
    """All METADATA files under `folders`, one document a package, sorted by `doc_id`.

    A document's `doc_id` is the package's normalised name.

    folders: where installers put `*.dist-info`; the import path of this process by default. Of
        several copies of a package the first counts, as it does for the import system.
    Returns the documents and, apart, the files that are empty, not text, without a name or not
    readable at all.
    """
    documents: dict[str, Document] = {}
    unreadable: list[Unreadable] = []
    for path in _metadata_files(sys.path if folders is None else folders):
        item = f"{path.parent.name}/{path.name}"
        try:
            content = path.read_bytes()
            text, kind = text_of(content)
            doc_id = _doc_id(text)
        except OSError as error:
            unreadable.append(Unreadable(item, f"cannot be read: {error.strerror}"))
        except ValueError as error:
            unreadable.append(Unreadable(item, str(error)))
        else:
            checksum = hashlib.sha256(content).hexdigest()
            document = Document(doc_id, text, kind, len(content), checksum)
            documents.setdefault(doc_id, document)
    return (
        sorted(documents.values(), key=lambda document: document.doc_id),
        sorted(unreadable, key=lambda bad: (bad.item, bad.reason)),
    )


def packages_digest(folders: Iterable[str | Path] | None = None) -> str:
    """A hash of what `read_packages` would return; it changes when the installed packages do."""
    documents, unreadable = read_packages(folders)
    lines = [f"{document.doc_id} {document.sha256}" for document in documents]
    lines += [f"{bad.item} {bad.reason}" for bad in unreadable]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def package_truth(text: str) -> dict[str, str | None]:
    """The header fields of one METADATA text as `importlib.metadata` reads them, by attribute.

    A field that is absent or blank is None; of a field given twice the first counts.
    """
    if not text:
        return dict.fromkeys(ATTRIBUTES)
    headers = _StoredDistribution(text).metadata
    values = {name: headers.get_all(name) or [""] for name in ATTRIBUTES}
    return {name: str(found[0]).strip() or None for name, found in values.items()}


class _StoredDistribution(Distribution):
    """A distribution whose METADATA is a string, so that the library's own parser reads it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: object) -> NoReturn:
        raise FileNotFoundError(f"a stored METADATA text has no files, asked for {path}")


def _metadata_files(folders: Iterable[str | Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(Path(folder).glob("*.dist-info/METADATA"))


def _doc_id(text: str) -> str:
    name = package_truth(text)["Name"]
    if name is None:
        raise ValueError("no Name header")
    return re.sub(r"[-_.]+", "-", name).lower()
