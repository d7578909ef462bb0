"""Conformal radii: the finite-sample guarantee, and what is refused."""

import numpy as np
import pytest

from models.spacetime.intervals import conformal_radius, tracked_radius


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


@pytest.mark.parametrize("size", [0.6, 1.0, 1.6], ids=["calmer", "alike", "wilder"])
def test_tracked_intervals_hold_their_share_where_series_drift(size: float) -> None:
    """Errors of test windows of another size than those of validation; fixed radii fail."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(8000)
    errors = np.lib.stride_tricks.sliding_window_view(np.convolve(noise, [0.6, 0.8])[1:-1], 24)
    validation, test = errors[:2000, :, None], size * errors[2100:, :, None]
    radius = conformal_radius(validation, 0.9)
    fixed = (np.abs(test) <= radius).mean()
    inside = np.abs(test) <= tracked_radius(test, radius, 0.9, 0.005)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    assert inside[-3000:].mean() == pytest.approx(0.9, abs=0.01)  # once it has followed
    if size != 1.0:
        assert abs(fixed - 0.9) > 0.08


def test_tracking_waits_for_the_outcome() -> None:
    """The error at step h of window t changes nothing before window t + h."""
    errors = np.zeros((12, 4, 2))
    errors[3, 2, 1] = 9.0  # step 3 of window 3, second channel: known at window 6
    missed = tracked_radius(errors, np.ones((4, 2)), 0.9, 0.1)
    calm = tracked_radius(np.zeros_like(errors), np.ones((4, 2)), 0.9, 0.1)
    where = np.argwhere(missed != calm)
    assert where[:, 0].min() == 6
    assert {tuple(at) for at in where[:, 1:]} == {(2, 1)}
    assert missed[6, 2, 1] > 1 > calm[6, 2, 1]


def test_without_a_rate_radii_stay() -> None:
    radius = np.array([[1.0], [2.0]])
    errors = np.random.default_rng(0).standard_normal((7, 2, 1))
    np.testing.assert_array_equal(
        tracked_radius(errors, radius, 0.9, 0.0), np.broadcast_to(radius, (7, 2, 1))
    )
    with pytest.raises(ValueError, match="need radii"):
        tracked_radius(errors, radius[:1], 0.9, 0.0)
