"""Rows of a user's file: a text each, and a label where one was given."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


@dataclass(frozen=True)
class UserRow:
    """One row of a file, by its number from 0."""

    number: int
    text: str
    label: str | None


def read_rows(path: Path, text: str, label: str) -> tuple[list[UserRow], list[tuple[int, str]]]:
    """(rows with a text, (number, reason) of those without), in the file's order.

    A label of None, or of white space alone, is none. Raises ValueError, naming file and column,
    for a file that is no .csv, .tsv or .parquet or cannot be read, a column that is not there, and
    a file without rows.
    """
    table = _read(path)
    for name in (text, label):
        if name not in table.column_names:
            close = difflib.get_close_matches(name, table.column_names, n=1)
            meant = f", did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"{path}: no column {name!r}{meant} (there: {', '.join(table.column_names)})"
            )
    if text == label:
        raise ValueError(f"{path}: column {text!r} cannot be both text and label")
    if not table.num_rows:
        raise ValueError(f"{path}: holds no rows")
    rows, empty = [], []
    texts, labels = (table[name].to_pylist() for name in (text, label))
    for number, (said, given) in enumerate(zip(texts, labels, strict=True)):
        if said is None or not str(said).strip():
            empty.append((number, "empty text"))
            continue
        named = "" if given is None else str(given).strip()
        rows.append(UserRow(number, str(said), named or None))
    return rows, empty


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix in (".csv", ".tsv"):
            return pyarrow.csv.read_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True
                ),
            )
        if path.suffix == ".parquet":
            return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from error
    raise ValueError(f"{path}: give a .csv, a .tsv or a .parquet file")
