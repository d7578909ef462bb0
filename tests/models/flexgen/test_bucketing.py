"""Blocks hold every prompt once, like lengths together, and the same ones every time."""

from hypothesis import given
from hypothesis import strategies as st

from models.flexgen.bucketing import blocks


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 7), st.integers(1, 4))
def test_every_prompt_once_in_order_of_length(lengths, gbs, nb):
    cut = blocks(lengths, gbs, nb)
    order = [index for block in cut for batch in block for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths)
    assert all(len(block) == nb for block in cut[:-1])
    sizes = [len(batch) for block in cut for batch in block]
    assert all(size == gbs for size in sizes[:-1])
    assert all(0 < size <= gbs for size in sizes)


def test_equal_lengths_keep_their_order():
    assert blocks([5, 5, 2, 5], 2, 1) == [((2, 0),), ((1, 3),)]
