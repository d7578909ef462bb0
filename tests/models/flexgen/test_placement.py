"""Whole tensors by their middle, whole sequences rounded down, and what came of what was asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flexgen.config import TIERS
from models.flexgen.placement import compare, place, sequences

shares = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
    lambda pair: (min(pair), max(pair) - min(pair), 100 - max(pair))
)


@pytest.mark.parametrize(
    ("sizes", "asked", "tiers"),
    [
        ([1, 1, 1, 1], (100, 0, 0), ["device"] * 4),
        ([1, 1, 1, 1], (0, 0, 100), ["disk"] * 4),
        ([1, 1, 1, 1], (50, 50, 0), ["host", "host", "device", "device"]),
        ([1, 1, 1, 1], (25, 50, 25), ["disk", "host", "host", "device"]),
        ([10, 1, 1], (50, 0, 50), ["disk", "device", "device"]),  # middles at 42, 88 and 96 %
        ([1, 1, 10], (50, 0, 50), ["disk", "disk", "device"]),  # the large one's is at 58 %
        ([7], (50, 50, 0), ["device"]),
        ([7], (49, 51, 0), ["host"]),
    ],
)
def test_middle_decides(sizes, asked, tiers):
    assert place(sizes, asked) == tiers


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30), shares)
def test_no_tier_is_off_by_more_than_the_largest_tensor(sizes, asked):
    tiers = place(sizes, asked)
    for tier, share in zip(TIERS, asked, strict=True):
        got = sum(size for size, where in zip(sizes, tiers, strict=True) if where == tier)
        assert abs(got - sum(sizes) * share / 100) <= max(sizes) + 1e-6 * sum(sizes)


@given(st.integers(0, 500), shares)
def test_sequences_are_whole_and_complete(count, asked):
    counts = sequences(count, asked)
    assert sum(counts.values()) == count
    last = max((t for t, share in zip(TIERS, asked, strict=True) if share), key=TIERS.index)
    for tier, share in zip(TIERS, asked, strict=True):
        exact = count * share / 100
        if tier == last:
            assert counts[tier] >= int(exact)
        else:
            assert counts[tier] == int(exact + 1e-9)


def test_what_was_asked_and_what_was_achieved():
    rows = compare("weights", (50, 50, 0), {"device": 30, "host": 70})
    assert [(r.tier, r.asked, r.achieved, r.size) for r in rows] == [
        ("device", 50, 30, 30),
        ("host", 50, 70, 70),
        ("disk", 0, 0, 0),
    ]
