"""Calibration against its definitions, written out."""

import bisect

import numpy as np
import pytest

from models.helm.calibration import (
    calibration,
    equal_mass_bins,
    equal_width_bins,
    expected_error,
    selective,
)


def expected_error_reference(p, y, bounds):
    """Literal: every point into the first bin whose bound is not below it."""
    bins = {}
    for confidence, right in zip(p, y, strict=True):
        bins.setdefault(bisect.bisect_left(list(bounds), confidence), []).append(
            (confidence, right)
        )
    return sum(
        len(points)
        / len(p)
        * abs(np.mean([c for c, _ in points]) - np.mean([r for _, r in points]))
        for points in bins.values()
    )


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 97])
def test_expected_error_equals_the_definition(n):
    chance = np.random.default_rng(n)
    p, y = np.round(chance.random(n), 1), chance.integers(0, 2, n).astype(float)
    for bounds in (equal_mass_bins(p, 10), equal_width_bins(10), np.array([1.0])):
        assert expected_error(p, y, bounds) == pytest.approx(expected_error_reference(p, y, bounds))


def test_a_calibrated_model_has_no_error():
    p = np.array([0.25] * 4 + [0.75] * 4)
    y = np.array([1, 0, 0, 0, 1, 1, 1, 0.0])
    assert expected_error(p, y, equal_mass_bins(p, 2)) == pytest.approx(0)


def test_selective_accuracy_is_that_of_the_most_confident():
    area, confident = selective(np.array([0.9, 0.1, 0.8]), np.array([1.0, 0.0, 0.0]))
    assert area == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert confident == 1.0


@pytest.mark.parametrize("y", [np.zeros(5), np.ones(5)])
def test_nothing_is_fitted_where_all_answers_are_alike(y):
    found = calibration(np.linspace(0.1, 0.9, 5), y)
    assert found["platt_ece_10_bin"] == 0
    assert "platt_coef" not in found
