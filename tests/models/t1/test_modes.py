"""Which modes are kept, and what is lost with the others."""

import numpy as np
import pytest
import scipy.fft

from models.t1.modes import by_energy, by_explained_variance, lowest, truncation_floor

RNG = np.random.default_rng(0)


def fields(numbers, n=16, size=1.0):
    """Random fields whose energy is in these coefficients of both axes only."""
    spectrum = np.zeros((32, 1, n, n))
    index = np.ix_(range(32), [0], numbers, numbers)
    spectrum[index] = size * RNG.standard_normal(spectrum[index].shape)
    return scipy.fft.idctn(spectrum, axes=(2, 3), norm="ortho")


def test_energy_finds_where_the_energy_is():
    y = fields([1, 5, 11]) + fields([2], size=0.1)
    assert by_energy((3, 3), y) == ((1, 5, 11),) * 2
    assert truncation_floor(y, by_energy((3, 3), y)) < 0.1
    assert truncation_floor(y, lowest((3, 3), (16, 16))) > 0.5


def test_explained_variance_prefers_what_the_input_tells():
    told, untold = fields([1, 4]), fields([2, 7], size=2.0)
    u = told + fields([2, 7])
    assert by_energy((2, 2), told + untold) == ((2, 7),) * 2
    assert by_explained_variance((2, 2), u, told + untold) == ((1, 4),) * 2


def test_the_floor_is_the_projections_error_and_zero_when_all_is_kept():
    y = RNG.standard_normal((5, 2, 6, 9))
    assert truncation_floor(y, lowest((6, 9), (6, 9))) < 1e-7
    spectrum = scipy.fft.dctn(y, axes=(2, 3), norm="ortho")
    spectrum[:, :, :3, :4] = 0
    lost = np.linalg.norm(spectrum.reshape(5, -1), axis=1)
    expected = (lost / np.linalg.norm(y.reshape(5, -1), axis=1)).mean()
    assert truncation_floor(y, lowest((3, 4), (6, 9))) == pytest.approx(expected)


def test_too_many_modes_or_axes_are_refused():
    with pytest.raises(ValueError, match="modes 9 on grid axis 1 of 8 points"):
        lowest((4, 9), (8, 8))
    with pytest.raises(ValueError, match="modes for 1 axes, the grid has 2"):
        lowest((4,), (8, 8))
