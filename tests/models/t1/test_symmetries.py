"""Copies by symmetry are flows themselves: the solver started from one ends at the other."""

import numpy as np
import pytest

from data.synthetic.gaussian_fields import gaussian_fields
from data.synthetic.navier_stokes import NavierStokes, li_forcing
from models.t1.symmetries import MIRRORED, Fields, copies

N = 16


def fields(grid=(N, N)):
    return Fields(*np.random.default_rng(0).standard_normal((2, 3, 1, *grid)))


def test_every_copy_of_a_forced_flow_is_a_flow():
    start = gaussian_fields([(0, 0, i) for i in range(2)], (N, N), modes=4)
    solver = NavierStokes((N, N), 1e-3, 0.05, forcing=li_forcing((N, N)))
    end = solver.solve(start, 2.0).vorticity
    made = copies(Fields(start[:, None], end[:, None]), 4, True)
    assert made.u.shape == (2 * 4 * MIRRORED, 1, N, N)
    again = solver.solve(np.ascontiguousarray(made.u[:, 0]), 2.0).vorticity
    assert np.abs(again - made.y[:, 0]).max() < 1e-12
    # All of them differ, and the first are the samples themselves.
    assert len({one.tobytes() for one in made.u.round(9)}) == len(made.u)
    assert np.array_equal(made.u[:2, 0], start)


def test_shifted_copies_are_moved_together():
    given = fields()
    moved = copies(given, 4, False)
    assert moved.u.shape == (12, 1, N, N)
    for side, of in zip(moved, given, strict=True):
        assert np.array_equal(side[3:6], np.roll(of, (4, -4), (2, 3)))


def test_without_copies_nothing_is_touched():
    given = fields((7, 5))
    assert copies(given, 1, False) is given


@pytest.mark.parametrize(
    ("grid", "shifts", "mirrored", "words"),
    [
        ((16, 16), 5, False, "multiple of 5 points"),
        ((18, 18), 3, True, "multiple of 12 points"),
        ((16, 32), 4, False, "square grid"),
        ((16,), 2, False, "square grid"),
    ],
    ids=["shifts", "mirrored", "oblong", "line"],
)
def test_grids_without_the_symmetry_are_refused(grid, shifts, mirrored, words):
    with pytest.raises(ValueError, match=words):
        copies(fields(grid), shifts, mirrored)
