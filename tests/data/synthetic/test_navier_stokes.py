"""The solver's ladder: exact flows, orders, budgets, symmetries, and what it refuses."""

import math

import numpy as np
import pytest
import torch

from data.synthetic.gaussian_fields import expected_deviation, gaussian_fields
from data.synthetic.navier_stokes import NavierStokes, grid_points, li_forcing, resampled

PI2 = 2 * math.pi


def taylor_green(shape, time=0.0, viscosity=0.0, flow=(0.0, 0.0), size=1.0):
    x, y = grid_points(shape)
    decay = math.exp(-2 * PI2**2 * viscosity * time)
    w = np.sin(PI2 * (x - flow[0] * time)) * np.sin(PI2 * (y - flow[1] * time))
    return (size * decay * w)[None]


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def random_start(n, count=2, modes=6):
    return gaussian_fields([(0, 9, i) for i in range(count)], (n, n), modes=modes)


def slope(steps, errors):
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("shape", [(32, 32), (24, 40), (33, 27)], ids=str)
def test_taylor_green_decays_exactly(shape):
    solver = NavierStokes(shape, 1e-2, 0.05)
    got = solver.solve(taylor_green(shape), 1.0).vorticity
    assert relative(got, taylor_green(shape, 1.0, 1e-2)) < 1e-10


def test_moving_taylor_green_is_of_fourth_order():
    flow, steps, errors = (1.0, 0.5), [0.02, 0.01, 0.005], []
    for dt in steps:
        solver = NavierStokes((32, 32), 1e-2, dt, mean_flow=flow)
        got = solver.solve(taylor_green((32, 32)), 1.0).vorticity
        errors.append(relative(got, taylor_green((32, 32), 1.0, 1e-2, flow)))
    assert slope(steps, errors) >= 3.8
    assert errors[-1] < 1e-6


@pytest.mark.parametrize("k", [1, 3])
def test_laminar_kolmogorov_flow_is_steady(k):
    x, _ = grid_points((32, 32))
    forcing = np.broadcast_to(np.sin(PI2 * k * x), (32, 32)) * 0.5
    nu = 0.02
    steady = (forcing / (nu * (PI2 * k) ** 2))[None]
    solver = NavierStokes((32, 32), nu, 0.02, forcing=forcing)
    assert relative(solver.solve(steady, 1.0).vorticity, steady) < 1e-6


def budget_terms(solver, w, forcing):
    """Energy, enstrophy, the rate at which viscosity takes energy, and forcing's work."""
    u, v = solver.velocity(solver.spectrum(torch.as_tensor(w)))
    energy = 0.5 * float((u**2 + v**2).mean())
    enstrophy = 0.5 * float((w**2).mean())
    stream = w_to_stream(w)
    return energy, enstrophy, -2 * solver.viscosity * enstrophy, float((stream * forcing).mean())


def w_to_stream(w):
    k = [np.fft.fftfreq(n, 1 / n) for n in w.shape[1:]]
    square = PI2**2 * (k[0][:, None] ** 2 + k[1][None, :] ** 2)
    square[0, 0] = np.inf
    return np.fft.ifft2(np.fft.fft2(w) / square).real


def test_energy_budget_closes():
    n, dt, nu = 32, 1e-3, 2e-3
    forcing = li_forcing((n, n))
    solver = NavierStokes((n, n), nu, dt, forcing=forcing)
    w = [random_start(n, 1)]
    for _ in range(2):
        w.append(solver.solve(w[-1], dt).vorticity)
    (before, *_), (_, _, lost, gained), (after, *_) = (budget_terms(solver, x, forcing) for x in w)
    assert (after - before) / (2 * dt) == pytest.approx(lost + gained, rel=1e-4)


def test_without_viscosity_and_forcing_energy_and_enstrophy_stay():
    solver = NavierStokes((48, 48), 0.0, 0.01)
    start = random_start(48, 1)
    end = solver.solve(start, 2.0).vorticity
    for before, after in list(zip(*(budget_terms(solver, x, 0.0) for x in (start, end)),
                                  strict=True))[:2]:  # fmt: skip
        assert after == pytest.approx(before, rel=1e-7)
    assert relative(end, start) > 0.1, "it did move"


def test_mean_vorticity_stays_zero():
    solver = NavierStokes((32, 32), 1e-3, 0.02, forcing=li_forcing((32, 32)))
    assert abs(solver.solve(random_start(32), 2.0).vorticity.mean((1, 2))).max() < 1e-14


def test_a_random_flow_converges_in_time_and_space():
    start = random_start(32, 1)

    def solved(dt):
        solver = NavierStokes((32, 32), 1e-3, dt, forcing=li_forcing((32, 32)))
        return solver.solve(start, 2.0).vorticity

    fine = solved(0.00625)
    steps = [0.1, 0.05, 0.025]
    assert slope(steps, [relative(solved(dt), fine) for dt in steps]) >= 3.8

    def on_grid(n):
        solver = NavierStokes((n, n), 5e-3, 0.02, forcing=li_forcing((n, n)))
        return resampled(solver.solve(random_start(n, 1), 2.0).vorticity, (24, 24))

    errors = [relative(on_grid(n), on_grid(96)) for n in (24, 48)]
    assert errors[1] < errors[0] / 100
    assert errors[1] < 1e-6


def test_the_solver_commutes_with_translations():
    start = random_start(32)
    solver = NavierStokes((32, 32), 1e-3, 0.02)
    moved = np.roll(start, (5, -3), (1, 2))
    assert relative(
        solver.solve(moved, 1.0).vorticity,
        np.roll(solver.solve(start, 1.0).vorticity, (5, -3), (1, 2)),
    ) < 1e-12  # fmt: skip


def test_the_solver_commutes_with_quarter_turns():
    start = random_start(32)
    solver = NavierStokes((32, 32), 1e-3, 0.02)
    turned = solver.solve(np.rot90(start, axes=(1, 2)).copy(), 1.0).vorticity
    assert relative(turned, np.rot90(solver.solve(start, 1.0).vorticity, axes=(1, 2))) < 1e-12


def test_the_forced_flow_commutes_with_moves_along_the_forcings_lines():
    start = random_start(32)
    solver = NavierStokes((32, 32), 1e-3, 0.02, forcing=li_forcing((32, 32)))
    moved = solver.solve(np.roll(start, (4, -4), (1, 2)), 1.0).vorticity
    there = np.roll(solver.solve(start, 1.0).vorticity, (4, -4), (1, 2))
    assert relative(moved, there) < 1e-12
    across = solver.solve(np.roll(start, (4, 4), (1, 2)), 1.0).vorticity
    assert relative(across, np.roll(there, (0, 8), (1, 2))) > 1e-3


def test_the_advection_term_is_the_literal_one():
    n = 24
    w = random_start(n, 1, modes=7)
    solver = NavierStokes((n, n), 0.0, 1.0)
    spectrum = solver.spectrum(torch.as_tensor(w))
    k = np.fft.fftfreq(n, 1 / n)
    w_k = np.fft.fft2(w)
    d_x, d_y = (np.fft.ifft2(1j * PI2 * part * w_k).real for part in (k[:, None], k[None, :]))
    u, v = (part.numpy() for part in solver.velocity(spectrum))
    literal = solver.spectrum(torch.as_tensor(-(u * d_x + v * d_y)))
    assert torch.allclose(solver._rate(spectrum), literal, atol=1e-10 * float(literal.abs().max()))


def test_float32_agrees_to_its_digits():
    start = random_start(32)
    ends = [
        NavierStokes((32, 32), 1e-3, 0.02, forcing=li_forcing((32, 32)), dtype=dtype)
        .solve(start, 1.0).vorticity
        for dtype in (torch.float32, torch.float64)
    ]  # fmt: skip
    assert relative(*ends) < 1e-5


def test_random_fields_have_their_law_and_are_the_same_on_every_grid():
    fields = gaussian_fields([(0, 0, i) for i in range(64)], (64, 64))
    assert fields.std() == pytest.approx(expected_deviation(21), rel=0.05)
    assert expected_deviation(21) == pytest.approx(0.262, abs=0.001)
    assert abs(fields.mean((1, 2))).max() < 1e-12
    finer = gaussian_fields([(0, 0, 0)], (192, 192))
    assert np.allclose(finer[:, 1::3, 1::3], fields[:1])
    assert np.allclose(resampled(finer, (64, 64)), fields[:1])


def test_an_unstable_step_is_refused_with_the_one_that_would_do():
    solver = NavierStokes((32, 32), 1e-3, 1.0)
    with pytest.raises(ValueError, match=r"dt 1 is unstable.*CFL number.*take dt <= 0\.\d+"):
        solver.solve(10 * random_start(32), 2.0)


def test_a_field_that_breaks_down_on_the_way_does_not_touch_the_others():
    shear = np.broadcast_to(np.sin(PI2 * grid_points((32, 32))[0]), (32, 32))
    calm = random_start(32, 1)
    solver = NavierStokes((32, 32), 1e-3, 0.02, forcing=6 * shear)
    both = solver.solve(np.concatenate([calm, calm + 10 * shear[None]]), 0.6)
    assert np.isnan(both.failed_at[0])
    assert 0.2 <= both.failed_at[1] <= 0.6
    assert both.cfl[1] > 2.5
    assert np.isnan(both.vorticity[1]).all()
    assert np.allclose(both.vorticity[0], solver.solve(calm, 0.6).vorticity[0], atol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: s.solve(np.full((1, 32, 32), np.nan), 1.0), "NaN or infinity"),
        (lambda s: s.solve(np.zeros((1, 16, 16)), 1.0), "grid is 32 x 32, the fields' is 16 x 16"),
        (lambda s: s.solve(np.zeros((1, 32, 32)), 0.03), "must divide"),
        (lambda s: NavierStokes((3, 3), 1.0, 1.0), "at least 4 points"),
        (lambda s: NavierStokes((8, 8), -1.0, 1.0), "viscosity must be >= 0"),
        (lambda s: gaussian_fields([(0,)], (16, 16)), "lower modes"),
    ],
    ids=["nan", "grid", "steps", "tiny", "viscosity", "modes"],
)
def test_bad_input_is_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make(NavierStokes((32, 32), 1e-3, 0.02))
