"""Buoyant smoke: what stays, what is at rest, and the order of its steps."""

import numpy as np
import pytest

from data.synthetic.films import SmokeConfig, smoke_samples
from data.synthetic.navier_stokes import grid_points
from data.synthetic.samples import Part
from data.synthetic.smoke import Smoke, puffs


def test_layers_stay_at_rest_and_only_diffuse():
    _, y = grid_points((24, 24))
    layers = np.broadcast_to(np.sin(2 * np.pi * y), (24, 24))[None]
    film = Smoke((24, 24), 0.01, 1.0, 0.05).film(layers, 1, 20)
    assert np.allclose(film[:, 1], layers * np.exp(-4 * np.pi**2 * 0.01), atol=1e-12)


def test_smoke_is_neither_made_nor_lost_and_rises():
    start = puffs([(0, 0, 0)], 1, 48)
    film = Smoke((48, 48), 2e-3, 1.0, 0.02).film(start, 1, 40)
    assert film[0, 1].sum() == pytest.approx(film[0, 0].sum())
    _, y = grid_points((48, 48))
    heights = [(np.angle((f * np.exp(2j * np.pi * y)).sum()) % (2 * np.pi)) for f in film[0]]
    assert heights[1] > heights[0] + 0.05


def test_steps_are_of_fourth_order():
    start = puffs([(0, 0, 1)], 2, 24)
    end = {dt: Smoke((24, 24), 5e-3, 1.0, dt).film(start, 1, round(0.8 / dt))[:, 1]
           for dt in (0.1, 0.05, 0.0125)}  # fmt: skip
    errors = [np.linalg.norm(end[dt] - end[0.0125]) for dt in (0.1, 0.05)]
    assert np.log2(errors[0] / errors[1]) > 3.6


def test_samples_are_context_and_the_frames_after_it():
    config = SmokeConfig(frames=3)
    part = Part(split="train", first=0, count=2, resolution=32)
    samples = smoke_samples(config, part)
    assert samples.u.shape == (2, 2, 32, 32)
    assert samples.y.shape == (2, 3, 1, 32, 32)
    longer = smoke_samples(SmokeConfig(context=4, frames=1), part)
    assert np.allclose(longer.u[:, 2:], samples.y[:, :2, 0])


def test_a_diverging_film_is_named_not_returned():
    config = SmokeConfig(buoyancy=200.0, dt=0.2, interval=0.2)
    samples = smoke_samples(config, Part(split="train", first=7, count=1, resolution=32))
    assert not samples.number
    assert samples.failed[0][0] == 7
    assert "take a smaller dt" in samples.failed[0][1]
