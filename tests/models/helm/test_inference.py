"""Win rates restated, intervals that cover, tests that tell what can be told."""

import numpy as np
import pytest

from models.helm.inference import (
    bootstrap_mean,
    compare,
    p_values,
    tie_groups,
    win_rates,
)


def mean_rates(columns):
    scores = {
        c: {f"m{i}": v for i, v in enumerate(column) if v is not None}
        for c, column in enumerate(columns)
    }
    rates = win_rates(scores)
    return [
        float(np.mean(list(rates[f"m{i}"].values()))) if f"m{i}" in rates else None
        for i in range(len(columns[0]))
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([(1, 2, 3, 4, 5)], [0, 0.25, 0.5, 0.75, 1]),
        ([(1, 2, 3, 4, 5), (3, 1, 2, 5, 4)], [0.25, 0.125, 0.375, 0.875, 0.875]),
        ([(1, 2, 3, 4, 5), (3, 1, 2, None, None)], [0.5, 0.125, 0.5, 0.75, 1]),
        ([(1, 2, 3, 4, 5), (3, None, None, None, None)], [0, 0.25, 0.5, 0.75, 1]),
        ([(1, 1, 1, 4, 5)], [0.25, 0.25, 0.25, 0.75, 1]),
        ([(None,) * 5], [None] * 5),
    ],
    ids=["one", "two", "missing", "lonely", "ties", "none"],
)
def test_win_rates_are_those_of_helms_tests(columns, expected):
    assert mean_rates(columns) == expected


def test_intervals_are_reproducible_and_cover():
    chance = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        sample = chance.normal(0.3, 1, 40)
        low, high = bootstrap_mean(sample, 400, seed=trial)
        covered += low <= 0.3 <= high
    assert 0.90 <= covered / 300 <= 0.98
    assert bootstrap_mean([1.0, 2.0, 4.0], 500, 7) == bootstrap_mean([1.0, 2.0, 4.0], 500, 7)
    assert bootstrap_mean([0.1] * 7, 500, 7) == pytest.approx((0.1, 0.1))


def test_sign_flips_are_exact_for_few_columns():
    # All eight choices of signs: only +++ and --- reach the observed sum.
    assert p_values([np.array([0.1, 0.2, 0.3])], 0) == [0.25]
    assert p_values([np.zeros(5), np.array([])], 0) == [1.0, None]
    assert p_values([np.full(40, 0.1)], 0)[0] < 0.001


def test_identical_models_tie_and_different_ones_do_not():
    scores = {c: {"a": 0.9 + c / 100, "b": 0.5, "twin": 0.5, "d": 0.1} for c in range(10)}
    assert tie_groups(scores, 0) == {"a": 1, "b": 2, "twin": 2, "d": 3}
    found = {(c.row, c.other): c for c in compare(scores, 200, 0)}
    assert len(found) == 6
    assert found["a", "b"].separable
    assert (found["b", "twin"].p_value, found["b", "twin"].separable) == (1.0, False)
    assert (found["a", "d"].wins, found["a", "d"].losses) == (10, 0)


def test_many_models_are_compared_with_their_neighbours():
    scores = {c: {f"m{i:02d}": float(i) for i in range(70)} for c in range(3)}
    assert len(compare(scores, 100, 0)) == 69
