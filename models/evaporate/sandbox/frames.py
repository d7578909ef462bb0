"""Messages over pipes: four bytes of length (big-endian), then JSON of any meaning."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

MAX_ANSWER = 1 << 20  # bytes of one message from the untrusted side
_LENGTH = 4


class BadFrameError(ValueError):
    """What came is no message."""


def encode(message: object) -> bytes:
    """One message; a lone surrogate travels as its escape."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return len(body).to_bytes(_LENGTH, "big") + body


def write(fd: int, data: bytes) -> None:
    """All of `data`, however often the pipe is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_one(fd: int) -> Any:
    """The next message of a trusted peer; None at the end."""
    head = _exactly(fd, _LENGTH)
    if head is None:
        return None
    body = _exactly(fd, int.from_bytes(head, "big"))
    return None if body is None else json.loads(body)


class Reader:
    """Puts together messages from an untrusted peer, of which any number of bytes may come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that are complete with `data`. Raises BadFrameError."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _LENGTH:
                length = int.from_bytes(self._buffer[at : at + _LENGTH], "big")
                if length > MAX_ANSWER:
                    raise BadFrameError(f"a message of {length} bytes")
                end = at + _LENGTH + length
                if len(self._buffer) < end:
                    break
                body, at = self._buffer[at + _LENGTH : end], end
                try:
                    yield json.loads(body)
                except (ValueError, RecursionError) as error:
                    raise BadFrameError("a message that is not JSON") from error
        finally:
            del self._buffer[:at]


def _exactly(fd: int, n: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < n:
        block = os.read(fd, min(n - len(parts), 1 << 20))
        if not block:
            return None
        parts += block
    return bytes(parts)
