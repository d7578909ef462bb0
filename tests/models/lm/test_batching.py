from hypothesis import given
from hypothesis import strategies as st

from models.lm.batching import batches


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 200))
def test_every_row_is_in_one_batch_within_the_budget(lengths, budget):
    found = batches(lengths, budget)
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= budget


def test_similar_lengths_share_a_batch_the_longest_first():
    assert batches([1, 50, 2, 49], 100) == [[1, 3], [2, 0]]
