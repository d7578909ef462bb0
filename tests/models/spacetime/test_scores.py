import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spacetime.scores import Errors, window_errors

RNG = np.random.default_rng(2)
ORIGIN = np.repeat(np.arange(12), 5)
Y, YHAT = RNG.standard_normal((2, 60))


def test_errors_by_hand() -> None:
    errors = window_errors(
        np.array([0, 0, 1, 1]), np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 0]), np.full(4, 2.0)
    )
    assert errors == Errors(n_windows=2, mse=1.0, mae=0.5)


@given(st.permutations(range(60)))
def test_order_of_rows_does_not_count(order: list[int]) -> None:
    scale = np.ones(60)
    errors = window_errors(ORIGIN[order], Y[order], YHAT[order], scale)
    expected = window_errors(ORIGIN, Y, YHAT, scale)
    assert errors.n_windows == expected.n_windows == 12
    assert errors.mse == pytest.approx(expected.mse, rel=1e-12)


def test_units_do_not_count() -> None:
    fahrenheit = window_errors(ORIGIN, 1.8 * Y + 32, 1.8 * YHAT + 32, np.full(60, 1.8))
    celsius = window_errors(ORIGIN, Y, YHAT, np.ones(60))
    assert fahrenheit.mse == pytest.approx(celsius.mse)
    assert fahrenheit.mae == pytest.approx(celsius.mae)


@pytest.mark.parametrize(
    ("rows", "bad", "complaint"),
    [(0, None, "no forecasts"), (60, 7, "1 forecasts are not finite"), (58, None, "3 to 5 steps")],
    ids=["empty", "nan", "torn-window"],
)
def test_bad_forecasts_are_refused(rows: int, bad: int | None, complaint: str) -> None:
    yhat = YHAT[:rows].copy()
    if bad is not None:
        yhat[bad] = np.nan
    with pytest.raises(ValueError, match=complaint):
        window_errors(ORIGIN[:rows], Y[:rows], yhat, np.ones(rows))
