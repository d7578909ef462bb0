"""Messages arrive whole whatever the pieces they come in, and what is no message is told."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaporate.sandbox import frames


@settings(max_examples=30)
@given(st.lists(st.text() | st.integers(), max_size=5), st.integers(1, 9))
def test_messages_come_in_pieces(messages: list[object], size: int) -> None:
    data = b"".join(map(frames.encode, messages))
    reader = frames.Reader()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert [m for piece in pieces for m in reader.feed(piece)] == messages


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff", b"\0\0\0\2{]", b"\0\0\0\1\xff", b"\0\1\0\0" + b"[" * 65536],
    ids=["too-long", "not-json", "not-text", "nested"],
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(frames.BadFrameError):
        list(frames.Reader().feed(data))


def test_the_end_of_a_pipe_is_none() -> None:
    read, write = os.pipe()
    frames.write(write, frames.encode({"a": "\ud800"}))
    os.close(write)
    assert frames.read_one(read) == {"a": "\ud800"}
    assert frames.read_one(read) is None
    os.close(read)
