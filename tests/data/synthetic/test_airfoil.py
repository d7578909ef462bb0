"""Potential flow around Joukowski airfoils against what is known of it."""

import math

import numpy as np
import pytest

from data.synthetic.airfoil import (
    AirfoilConfig,
    airfoil_samples,
    circulation,
    to_circle,
    velocity,
)
from data.synthetic.samples import Part

CENTRE, ATTACK = complex(-0.1, 0.12), 0.15


def surface():
    """Points on the body and the tangent dz of each, trailing edge left out."""
    radius = abs(1 - CENTRE)
    angle = 2 * math.pi * (np.arange(4000) + 0.5) / 4000
    zeta = CENTRE + radius * np.exp(1j * angle)
    return zeta, 1j * radius * np.exp(1j * angle) * (1 - 1 / zeta**2) * 2 * math.pi / 4000


def test_the_body_is_a_streamline_and_its_circulation_is_kuttas():
    zeta, dz = surface()
    along = np.conj(velocity(zeta, CENTRE, ATTACK)) * dz
    assert abs(along.imag).max() < 1e-14
    assert along.real.sum() == pytest.approx(circulation(CENTRE, ATTACK))


def test_lift_is_that_of_kutta_and_joukowski_and_there_is_no_drag():
    zeta, dz = surface()
    pressure = 0.5 * (1 - abs(velocity(zeta, CENTRE, ATTACK)) ** 2)
    force = (1j * pressure * dz).sum()
    assert force == pytest.approx(-1j * circulation(CENTRE, ATTACK) * np.exp(1j * ATTACK), rel=1e-9)


def test_far_away_the_stream_is_undisturbed_and_the_map_has_its_inverse():
    far = np.array([1e6 + 1e6j])
    assert velocity(far, CENTRE, ATTACK) == pytest.approx(np.exp(1j * ATTACK), abs=1e-5)
    zeta, _ = surface()
    outside = CENTRE + 1.3 * (zeta - CENTRE)
    assert np.allclose(to_circle(outside + 1 / outside, CENTRE), outside)


def test_the_flow_at_the_trailing_edge_is_finite():
    near = velocity(np.array([1 + 1e-6j, 1 + 1e-7j]), CENTRE, ATTACK)
    assert abs(near).max() < 2


def test_samples_are_zero_inside_and_the_same_in_any_shards():
    whole = airfoil_samples(AirfoilConfig(), Part(split="test", first=0, count=3, resolution=32))
    last = airfoil_samples(AirfoilConfig(), Part(split="test", first=2, count=1, resolution=32))
    assert np.array_equal(whole.u[2], last.u[0])
    assert whole.u.shape == (3, 3, 32, 32)
    assert whole.y.shape == (3, 1, 3, 32, 32)
    inside = whole.u[:, 2] == 1
    assert 0.005 < inside.mean() < 0.2
    assert not whole.y[:, 0].transpose(1, 0, 2, 3)[:, inside].any()
