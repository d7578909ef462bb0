"""Conformal radii: the finite-sample guarantee, and what is refused."""

import numpy as np
import pytest

from models.spacetime.intervals import conformal_radius


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_new_errors_fall_inside_as_often_as_promised(coverage: float) -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        errors = rng.standard_t(3, (30, 1, 1))
        inside.append(np.abs(rng.standard_t(3, 200)) <= conformal_radius(errors, coverage)[0, 0])
    assert coverage - 0.01 <= np.mean(inside) <= coverage + 1 / 31 + 0.01


def test_each_step_and_channel_has_its_own_radius() -> None:
    errors = np.linspace(-1, 1, 99)[:, None, None] * np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(conformal_radius(errors, 0.9) / [[1, 2], [3, 4]], 0.9, atol=0.02)


def test_few_windows_give_the_largest_error() -> None:
    assert conformal_radius(np.array([1.0, -3.0, 2.0]).reshape(3, 1, 1), 0.9) == 3.0


@pytest.mark.parametrize(("n", "coverage"), [(0, 0.9), (5, 0.0), (5, 1.0)])
def test_bad_calls_are_refused(n: int, coverage: float) -> None:
    with pytest.raises(ValueError, match=r"conformal|coverage"):
        conformal_radius(np.zeros((n, 1, 1)), coverage)
