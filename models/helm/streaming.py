"""JSON files of any size: small ones at once, large ones an array element at a time.

HELM writes arrays with hundreds of thousands of entries into one file, gigabytes in the case of
MS MARCO. `elements` walks such an array in memory that depends on its largest element alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

LARGE = 32 << 20  # bytes from which a file is streamed
_BLOCK = 4 << 20
_QUOTE, _BACKSLASH, _COMMA = (ord(c) for c in '"\\,')
_DEPTH = {ord(c): step for c, step in (("{", 1), ("[", 1), ("}", -1), ("]", -1))}
_STRUCTURAL = np.zeros(256, dtype=bool)
_STRUCTURAL[[_QUOTE, _COMMA, *_DEPTH]] = True
_STEP = np.zeros(256, dtype=np.int8)
_STEP[list(_DEPTH)] = list(_DEPTH.values())


class BrokenError(ValueError):
    """A file that is not the JSON it should be: why, and the byte at which that shows."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def parse(content: bytes, start: int = 0) -> Any:
    """The value of a JSON text that begins at byte `start` of its file.

    Beyond the standard it takes NaN, infinities, integers of any size, a byte order mark and
    UTF-16 or UTF-32, as Python's own writer and editors produce them. Raises BrokenError.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _parse_leniently(content, start)


def load(path: Path) -> Any:
    """The value of a JSON file. Raises BrokenError, and OSError when it cannot be read."""
    return parse(path.read_bytes())


def elements(path: Path, within: str = "", large: int = LARGE) -> Iterator[Any]:
    """The elements of the array that a JSON file is, or of member `within` of the object it is.

    Raises BrokenError where the file ends early, is no JSON or has no such array: what was yielded
    until then is part of a broken file. Of other members of a streamed object only the nesting is
    checked.
    """
    if path.stat().st_size < large:
        value = load(path)
        if within:
            value = value.get(within) if isinstance(value, dict) else None
        if not isinstance(value, list):
            raise BrokenError(f"no array {within or 'at its top'}".replace("  ", " "), 0)
        yield from value
        return
    with path.open("rb") as file:
        for offset, text in split_array(_blocks(file), within):
            yield parse(text, offset)


def offset_of(path: Path, within: str, index: int) -> int:
    """Byte at which element `index` of the array begins (for messages: the file is read again)."""
    with path.open("rb") as file:
        for i, (offset, _) in enumerate(split_array(_blocks(file), within)):
            if i == index:
                return offset
    raise IndexError(index)


def split_array(blocks: Iterable[bytes], within: str = "") -> Iterator[tuple[int, bytes]]:
    """(byte offset, text) of every element of an array whose file comes in blocks.

    Nothing but strings, brackets and commas is looked at, a whole block at a time: a comma outside
    of strings at the array's own depth ends an element. Raises BrokenError as `elements` does.
    """
    scan = _Scanner()
    base = 2 if within else 1  # depth inside the array
    key = re.compile(rb'"' + re.escape(within.encode()) + rb'"\s*:\s*\[\Z')
    held, begins = bytearray(), 0  # text since the last boundary, and its offset in the file
    inside = found = False
    for block in blocks:
        seen = len(held)
        held += block
        done = 0
        for where, byte, depth in scan.marks(block, base):
            end = seen + where
            if byte in b"{[":
                # The mark that opens the array: the text before it says whether it is the one.
                inside = byte == ord("[") and (
                    not within or key.search(held[done : end + 1]) is not None
                )
                found = found or inside
                done = end + 1
                continue
            if inside:
                text = bytes(held[done:end]).strip()
                lead = len(held[done:end]) - len(held[done:end].lstrip())
                if text or byte == _COMMA:
                    yield begins + done + lead, text
            inside = inside and depth == base
            done = end + 1
        begins += done
        del held[:done]
        if not inside and not within and found and held.strip():
            raise BrokenError("text after the end of the array", begins)
    scan.finish()
    if not found:
        raise BrokenError(f"no array {within or 'at its top'}", 0)


class _Scanner:
    """Depth and strings of a JSON text that comes in blocks."""

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self.escaped = False  # whether the next byte follows an open backslash
        self.read = 0

    def marks(self, block: bytes, base: int) -> list[tuple[int, int, int]]:
        """(position, byte, depth after it) of commas at depth `base` and brackets around it."""
        data = np.frombuffer(block, dtype=np.uint8)
        at = np.flatnonzero(_STRUCTURAL[data])
        at = at[~np.isin(at, self._escaped(data), assume_unique=True)]
        bytes_ = data[at]
        quotes = bytes_ == _QUOTE
        strings = (np.cumsum(quotes) + self.in_string) & 1
        plain = (strings == 0) & ~quotes
        if len(strings):
            self.in_string = bool(strings[-1])
        at, bytes_ = at[plain], bytes_[plain]
        depth = self.depth + np.cumsum(_STEP[bytes_], dtype=np.int64)
        if len(depth):
            if depth.min() < 0:
                first = int(at[np.flatnonzero(depth < 0)[0]])
                raise BrokenError("a bracket closes what was never opened", self.read + first)
            self.depth = int(depth[-1])
        opens = (depth == base) & (_STEP[bytes_] == 1)
        closes = (depth == base - 1) & (_STEP[bytes_] == -1)
        commas = (depth == base) & (bytes_ == _COMMA)
        kept = opens | closes | commas
        self.read += len(block)
        return list(
            zip(at[kept].tolist(), bytes_[kept].tolist(), depth[kept].tolist(), strict=True)
        )

    def _escaped(self, data: np.ndarray) -> np.ndarray:
        """Positions of bytes that an odd run of backslashes stands before."""
        slashes = np.flatnonzero(data == _BACKSLASH)
        carried, self.escaped = self.escaped, False
        if not len(slashes):
            return np.array([0] if carried else [], dtype=np.int64)
        if carried and slashes[0] == 0:
            slashes = slashes[1:]  # it is itself escaped
        new_run = np.diff(slashes, prepend=-2) != 1
        starts = np.flatnonzero(new_run)
        in_run = np.arange(len(slashes)) - starts[np.cumsum(new_run) - 1]
        escaped = slashes[in_run % 2 == 0] + 1
        if len(escaped) and escaped[-1] == len(data):
            self.escaped, escaped = True, escaped[:-1]
        return np.append(escaped, 0) if carried else escaped

    def finish(self) -> None:
        if self.in_string or self.depth:
            where = "a string" if self.in_string else "an array or object"
            raise BrokenError(f"the file ends inside {where}", self.read)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _parse_leniently(content: bytes, start: int) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        offset = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
        raise BrokenError(f"no JSON: {error.msg}", start + offset) from error
    except UnicodeDecodeError as error:
        raise BrokenError(f"no text: {error.reason}", start + error.start) from error
    except RecursionError as error:
        raise BrokenError("nested too deeply", start) from error
    except ValueError as error:  # an integer of thousands of digits
        raise BrokenError(f"no JSON: {error}", start) from error
