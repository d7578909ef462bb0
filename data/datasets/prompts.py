"""Prompts from a file: plain text with one prompt a line, JSON lines, CSV or Parquet.

A prompt's number is the line or row it stands in, from 1; blank lines of a text are no prompts.
Whatever is wrong with a file is one ValueError that names it, the place and what would be right.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("prompt", "text")  # looked for, in this order, when none is named
_HASH_BLOCK = 1 << 20


@dataclass(frozen=True)
class Prompt:
    """A text to complete; `number` is its line or row in the file, from 1."""

    number: int
    text: str


def read_prompts(path: Path, column: str | None = None) -> list[Prompt]:
    """The prompts of a file, in its order.

    The ending tells the form: .jsonl and .ndjson, .csv and .tsv, .parquet; all else is text.
    column: where the prompts stand; by default `prompt`, else `text`, else the only column.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: give a file, not a folder")
    match path.suffix.lower():
        case ".parquet":
            prompts = _parquet(path, column)
        case ".csv" | ".tsv":
            prompts = list(_csv(path, column))
        case ".jsonl" | ".ndjson":
            prompts = list(_json_lines(path, column))
        case _:
            prompts = _lines(path, column)
    if not prompts:
        raise ValueError(f"{path}: it holds no prompts")
    return prompts


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal. Raises ValueError when it is not there or unreadable."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    return digest.hexdigest()


def _lines(path: Path, column: str | None) -> list[Prompt]:
    if column is not None:
        raise ValueError(
            f"{path}: a text has no column {column!r}; columns are in .jsonl, .csv and .parquet"
        )
    return [Prompt(n, line) for n, line in _numbered(_text(path)) if line.strip()]


def _json_lines(path: Path, column: str | None) -> Iterator[Prompt]:
    """Every line an object with the column, or a bare string."""
    for n, line in _numbered(_text(path)):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {n}: not JSON ({error})") from error
        if isinstance(found, dict):
            found = found.get(_column(path, [str(key) for key in found], column, f", line {n}"))
        elif column is not None:
            raise ValueError(f"{path}, line {n}: no object, so it has no column {column!r}")
        yield Prompt(n, _checked(path, f"line {n}", found))


def _csv(path: Path, column: str | None) -> Iterator[Prompt]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        at = header.index(_column(path, header, column))
        for n, row in enumerate((row for row in rows if row), start=1):
            if len(row) != len(header):
                raise ValueError(
                    f"{path}, row {n}: {len(row)} cells where the header has {len(header)}"
                )
            yield Prompt(n, _checked(path, f"row {n}", row[at]))
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}: not CSV ({error})") from error


def _parquet(path: Path, column: str | None) -> list[Prompt]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            name = _column(path, parquet.schema_arrow.names, column)
            cells = parquet.read(columns=[name], use_threads=False).column(name).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: not Parquet ({str(error).splitlines()[0]})") from error
    return [Prompt(n, _checked(path, f"row {n}", cell)) for n, cell in enumerate(cells, start=1)]


def _column(path: Path, there: list[str], wanted: str | None, where: str = "") -> str:
    if wanted is not None and wanted in there:
        return wanted
    found = [name for name in COLUMNS if name in there] or there * (len(there) == 1)
    if wanted is None and found:
        return found[0]
    missing = f"no column {wanted!r}" if wanted is not None else "no column 'prompt' or 'text'"
    raise ValueError(f"{path}{where}: {missing}; columns: {', '.join(there) or 'none'}")


def _checked(path: Path, where: str, cell: object) -> str:
    if not isinstance(cell, str) or not cell.strip():
        told = "is blank" if isinstance(cell, str) or cell is None else f"is no text: {cell!r:.40}"
        raise ValueError(f"{path}, {where}: the prompt {told}")
    return cell


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The signature, where there is one, was cut off before decoding.
        offset = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        raise ValueError(
            f"{path}: not UTF-8 at byte {offset:,} (0x{content[offset]:02x}); convert it, as with "
            "iconv -t utf-8"
        ) from error


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them: only line feeds end one."""
    for n, line in enumerate(text.split("\n"), start=1):
        yield n, line.removesuffix("\r")
