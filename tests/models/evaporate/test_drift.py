"""The alarm: silent under chance, loud when a template changes."""

import numpy as np
import pytest

from models.evaporate.config import DriftConfig
from models.evaporate.drift import Shares, shares, shift

CONFIG = DriftConfig()


def test_shares_by_hand() -> None:
    assert shares([0.5, None, 1.0, None]) == Shares(4, 2, 0.75)
    assert shares([]) == Shares(0, 0, 0.0)
    assert shares([None]).fill_rate == 0.0


def test_chance_raises_no_alarm() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(500):
        n, m = rng.integers(8, 400, 2)
        first = Shares(int(n), int(rng.binomial(n, 0.8)), 0.9)
        later = Shares(int(m), int(rng.binomial(m, 0.8)), 0.9)
        alarms += shift(first, later, CONFIG).alarm
    assert alarms <= 1


@pytest.mark.parametrize(
    ("found", "alarm"),
    [
        pytest.param(Shares(100, 20, 0.95), True, id="values-are-gone"),
        pytest.param(Shares(100, 95, 0.4), True, id="votes-disagree"),
        pytest.param(Shares(10, 0, 0.0), True, id="ten-documents-without"),
        pytest.param(Shares(100, 90, 0.95), False, id="a-little-less"),
        pytest.param(Shares(3, 0, 0.0), False, id="too-few-to-tell"),
        pytest.param(Shares(10_000, 8_700, 0.95), False, id="sure-but-small"),
    ],
)
def test_what_is_alarming(found: Shares, alarm: bool) -> None:
    assert shift(Shares(1000, 950, 0.95), found, CONFIG).alarm is alarm


def test_a_batch_like_the_first_does_not_shift() -> None:
    first = Shares(1000, 1000, 1.0)
    assert shift(first, Shares(50, 50, 1.0), CONFIG) == (0.0, False)
