"""Streaming of arrays against Python's own parser, in whatever blocks and layouts."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.helm.streaming import BrokenError, elements, load, offset_of, split_array

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet='ab"\\,[]{}:é\n ', max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["a", "states", 'q"', "c,"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def blocks(text, size):
    return [text[i : i + size] for i in range(0, len(text), size)]


@settings(max_examples=120, deadline=None)
@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 2]), st.sampled_from([1, 2, 3, 7, 999]))
def test_elements_are_what_json_reads(values, indent, size):
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    found = list(split_array(blocks(text, size)))
    assert [json.loads(part) for _, part in found] == values
    assert all(text[offset : offset + len(part)] == part for offset, part in found)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(VALUES, max_size=4), VALUES, st.sampled_from([None, 2]), st.sampled_from([1, 5, 99])
)
def test_a_member_array_is_found_among_its_siblings(values, other, indent, size):
    whole = {"before": other, "states": values, "after": other}
    text = json.dumps(whole, indent=indent).encode()
    assert [json.loads(part) for _, part in split_array(blocks(text, size), "states")] == values


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.data())
def test_a_file_cut_anywhere_is_broken(tmp_path_factory, values, data):
    text = json.dumps(values, indent=2).encode()
    path = tmp_path_factory.mktemp("cut") / "x.json"
    path.write_bytes(text[: data.draw(st.integers(0, len(text) - 1))])
    for large in (1, 1 << 30):
        with pytest.raises(BrokenError) as caught:
            list(elements(path, large=large))
        assert 0 <= caught.value.offset <= len(text)


@pytest.mark.parametrize(
    ("content", "offset"),
    [(b'{"a": 1,}', 8), (b"[1, 2", 5), (b"", 0), (b'["\xff"]', 2), (b"[" * 5000, 0)],
    ids=["comma", "cut", "empty", "bytes", "deep"],
)
def test_a_broken_file_says_where(tmp_path, content, offset):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BrokenError) as caught:
        load(path)
    assert caught.value.offset == offset


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_other_writers_write_is_read(tmp_path, encoding):
    path = tmp_path / "x.json"
    path.write_bytes('[NaN, Infinity, 123456789012345678901234567890, "é"]'.encode(encoding))
    found = load(path)
    assert str(found[:2]) == "[nan, inf]"
    assert found[2:] == [123456789012345678901234567890, "é"]


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "big.json"
    entry = json.dumps({"instance_id": "id1", "stats": [{"name": {"name": "x" * 200}}] * 40})
    with path.open("w") as file:
        file.write("[" + ",".join([entry] * 4400) + "]")
    assert path.stat().st_size > 35 << 20
    tracemalloc.start()
    count = sum(1 for _ in elements(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4400
    assert peak < 64 << 20


def test_the_offset_of_an_element_is_that_of_its_text(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"states": [ {"a": 1},\n  [2], "three"]}')
    assert [offset_of(path, "states", i) for i in range(3)] == [13, 25, 30]
