"""More samples of the forced torus flow from those there are: symmetries of its equation.

Li et al. force vorticity by a function of x + y: f = 0.1 (sin 2 pi (x + y) + cos 2 pi (x + y)).
With a flow, therefore, these are flows too (exactly, on grids with multiples of four points):

    w(x + a, y - a)            moved along the diagonal (1, -1)
    w(-x + 1/4, -y)            turned by half, then moved so that the forcing is itself again
    -w(y + 1/2, x)             mirrored: vorticity changes its sign, and so does the forcing moved
    -w(-y + 3/4, -x)           both
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.t1.modes import Array

MIRRORED = 4  # copies of a sample by turning and mirroring, itself among them


class Fields(NamedTuple):
    """Inputs u (n, C_in, *grid) and outputs y (n, C_out, *grid) of an operator."""

    u: Array
    y: Array


def copies(fields: Fields, shifts: int, mirrored: bool) -> Fields:
    """Every sample `shifts` times along the diagonal, each again turned and mirrored if asked.

    Raises ValueError unless there are two grid axes of the same number of points, a multiple of
    `shifts`, and of four to turn.
    """
    if shifts == 1 and not mirrored:
        return fields
    grid = fields.u.shape[2:]
    even = np.lcm(shifts, 4) if mirrored else shifts
    if len(grid) != 2 or grid[0] != grid[1] or grid[0] % even:
        raise ValueError(
            f"{shifts} shifts{', mirrored,' if mirrored else ''} need a square grid with a "
            f"multiple of {even} points along each axis, the fields have {grid}"
        )
    u, y = (_shifted(_turned(part) if mirrored else part, shifts) for part in fields)
    return Fields(u, y)


def _shifted(w: Array, shifts: int) -> Array:
    moves = [i * w.shape[-1] // shifts for i in range(shifts)]
    return np.concatenate([np.roll(w, (move, -move), (2, 3)) for move in moves])


def _turned(w: Array) -> Array:
    n = w.shape[-1]
    mirrored = -np.roll(w.swapaxes(2, 3), n // 2, 2)
    # Points stand at cell centres, so that -x is the same point counted from the other end.
    turned = [np.roll(np.flip(one, (2, 3)), n // 4, 2) for one in (w, mirrored)]
    return np.concatenate([w, turned[0], mirrored, turned[1]])
