"""A user's own labels: a CSV file with the columns doc_id, attribute, value."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_COLUMNS = ("doc_id", "attribute", "value")


class Label(NamedTuple):
    """What a document says of an attribute; None: that it says nothing."""

    doc_id: str
    attribute: str
    value: str | None


def read_labels(path: str | Path) -> list[Label]:
    """The labels in order; an empty value means that the document has none.

    Raises ValueError naming line and fault: no such file, other columns, an empty name, a cell
    labelled twice.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"labels {path} cannot be read: {error}") from error
    rows = csv.DictReader(text.splitlines(keepends=True))
    if tuple(rows.fieldnames or ())[:3] != _COLUMNS:
        raise ValueError(f"labels {path}: the first line must be {','.join(_COLUMNS)}")
    labels: list[Label] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        doc_id, attribute = ((row[name] or "").strip() for name in _COLUMNS[:2])
        if not doc_id or not attribute:
            raise ValueError(f"labels {path}, line {rows.line_num}: doc_id or attribute is empty")
        if (doc_id, attribute) in seen:
            raise ValueError(
                f"labels {path}, line {rows.line_num}: {attribute} of {doc_id} is labelled twice"
            )
        seen.add((doc_id, attribute))
        labels.append(Label(doc_id, attribute, (row["value"] or "").strip() or None))
    if not labels:
        raise ValueError(f"labels {path}: no labels, only a first line")
    return labels


def matched(labels: Sequence[Label], doc_ids: Iterable[str]) -> list[Label]:
    """The labels with documents named as the folder has them: "K1" may stand for "a/K1.txt".

    Labels of documents that are not there are left out.
    """
    names = _short_names(doc_ids)
    return [label._replace(doc_id=names[label.doc_id]) for label in labels if label.doc_id in names]


def _short_names(doc_ids: Iterable[str]) -> Mapping[str, str]:
    """Every document by its path and, where only one is so called, its name and its stem."""
    paths = [PurePosixPath(doc_id) for doc_id in doc_ids]
    names = {str(path): str(path) for path in paths}
    for short in ("name", "stem"):
        counts = Counter(getattr(path, short) for path in paths)
        for path in paths:
            name = getattr(path, short)
            if counts[name] == 1:
                names.setdefault(name, str(path))
    return names
