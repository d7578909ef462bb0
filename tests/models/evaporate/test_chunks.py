"""Chunks lose nothing, keep to their size, and cut where sentences end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.chunks import chunk_spans


@given(st.text(alphabet="ab. ,\n", max_size=200), st.integers(1, 40))
def test_nothing_is_lost_and_only_what_cannot_be_cut_is_long(text: str, size: int) -> None:
    spans = chunk_spans(text, size)
    assert "".join(text[a:b] for a, b in spans) == text
    for a, b in spans:
        piece = text[a:b]
        assert a < b
        if len(piece) > size:
            assert "\n" not in piece[:-1]
            assert ". " not in piece[:-2]
            assert ", " not in piece[:-2]


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        pytest.param("", 9, [], id="empty"),
        pytest.param("ab\ncd\nef", 6, ["ab\ncd\n", "ef"], id="lines-are-packed"),
        pytest.param("One two. Three. Four", 9, ["One two. ", "Three. ", "Four"], id="sentences"),
        pytest.param("aaa, bbb, ccc. d", 6, ["aaa, ", "bbb, ", "ccc. d"], id="clauses"),
        pytest.param("aaaaaaaa\nb", 3, ["aaaaaaaa\n", "b"], id="unsplittable"),
    ],
)
def test_where_it_is_cut(text: str, size: int, expected: list[str]) -> None:
    assert [text[a:b] for a, b in chunk_spans(text, size)] == expected


def test_a_size_of_nothing() -> None:
    with pytest.raises(ValueError, match="give a size of 1 or more"):
        chunk_spans("a", 0)
