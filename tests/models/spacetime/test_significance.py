"""The paired test: its size under overlap, its power, and what it cannot say."""

import numpy as np
import pytest

from models.spacetime.significance import diebold_mariano


def overlapping(rng: np.random.Generator, n: int, horizon: int) -> np.ndarray:
    """Means over `horizon` steps of noise, one a window: neighbours share all but one step."""
    sums = np.cumsum(np.r_[0.0, rng.standard_normal(n + horizon)])
    return (sums[horizon:] - sums[:-horizon])[:n] / horizon**0.5


@pytest.mark.parametrize(("n", "horizon"), [(2161, 720), (2785, 96), (600, 24), (200, 1)])
def test_equal_forecasters_are_told_apart_one_time_in_twenty(n: int, horizon: int) -> None:
    rng = np.random.default_rng(0)
    zero = np.zeros(n)
    values = [diebold_mariano(overlapping(rng, n, horizon), zero, horizon) for _ in range(600)]
    assert np.mean([v.p_value < 0.05 for v in values]) == pytest.approx(0.05, abs=0.03)


def test_a_clear_difference_is_found() -> None:
    rng = np.random.default_rng(1)
    test = diebold_mariano(overlapping(rng, 2785, 96) - 1.0, np.zeros(2785), 96)
    assert test.difference == pytest.approx(-1.0, abs=0.5)
    assert test.statistic < -3
    assert test.p_value < 0.01
    assert test.degrees == 29


def test_sides_swap() -> None:
    one, other = np.random.default_rng(2).standard_normal((2, 300))
    left, right = diebold_mariano(one, other, 5), diebold_mariano(other, one, 5)
    assert left.statistic == pytest.approx(-right.statistic)
    assert left.p_value == pytest.approx(right.p_value)


def test_independent_windows_give_students_test() -> None:
    """With a horizon of one step the statistic is that of the mean over its standard error."""
    difference = np.random.default_rng(3).standard_normal(4000) + 0.05
    test = diebold_mariano(difference, np.zeros(4000), 1)
    plain = difference.mean() / (difference.std() / 4000**0.5)
    assert test.statistic == pytest.approx(plain, rel=0.2)


@pytest.mark.parametrize(
    ("n", "horizon"), [(10, 20), (50, 5)], ids=["shorter-than-a-horizon", "no-difference"]
)
def test_where_nothing_can_be_said(n: int, horizon: int) -> None:
    losses = np.arange(n, dtype=float)
    test = diebold_mariano(losses, losses, horizon)
    assert test.statistic is None
    assert test.p_value is None


def test_losses_must_pair_up() -> None:
    with pytest.raises(ValueError, match="must pair up"):
        diebold_mariano(np.zeros(4), np.zeros(5), 1)
