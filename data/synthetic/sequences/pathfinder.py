"""Pathfinder: are two marked points joined by a dashed curve among distractors?

Drawn from the published parameters (Linsley et al. 2018; Long Range Arena's contour length 14),
not bit for bit: 32 x 32 pixels are sequences of 1,024, 128 x 128 are Path-X, 256 x 256 Path-256.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.synthetic.sequences.examples import Examples

_CONTOUR, _DISTRACTOR = 14, 14 // 3  # dashes a snake
_TRIES = 200


class Drawing(NamedTuple):
    """How an image of one size is drawn [pixels]."""

    marker: float  # radius of the marks
    dash: float
    thickness: float
    margin: float  # between dashes of different snakes
    bend: float  # largest turn from dash to dash, in units of pi / 8
    distractors: int


DRAWINGS = {
    32: Drawing(1.5, 2.0, 0.5, 1.0, 1.0, 5),
    64: Drawing(2.5, 5.0, 1.0, 1.0, 1.8, 5),
    128: Drawing(3.0, 5.0, 1.5, 2.0, 1.8, 8),
    256: Drawing(5.0, 5.0, 2.0, 3.0, 1.8, 7),
}


def pathfinder(rng: np.random.Generator, n: int, side: int) -> Examples:
    """n images, about half of them joined: grey values in [-1, 1] (n, side^2, 1), classes (n,).

    Raises ValueError for a side that is not published.
    """
    if side not in DRAWINGS:
        raise ValueError(f"pathfinder: a side of {', '.join(map(str, DRAWINGS))}, not {side}")
    images = np.empty((n, side, side), np.float32)
    classes = rng.integers(0, 2, n)
    for i in range(n):
        images[i] = draw_image(rng, side, bool(classes[i]))
    return Examples(images.reshape(n, -1, 1) * 2 - 1, classes)


def draw_image(rng: np.random.Generator, side: int, joined: bool) -> NDArray[np.float32]:
    """Two long snakes, distractors, and two marks: at both ends of one snake if joined."""
    style = DRAWINGS[side]
    while True:  # a crowded start may leave no room for the second snake
        taken: list[NDArray[np.float64]] = []
        snakes = [_snake(rng, side, style, _CONTOUR, taken) for _ in range(2)]
        if all(snake is not None for snake in snakes):
            break
    drawn = [snake for snake in snakes if snake is not None]
    for _ in range(style.distractors):
        extra = _snake(rng, side, style, _DISTRACTOR, taken)
        if extra is not None:
            drawn.append(extra)
    image = np.zeros((side, side), np.float32)
    for snake in drawn:
        for a, b in pairwise(snake):
            gap = 0.25 * (b - a)  # dashes do not touch
            _stroke(image, a + gap, b - gap, style.thickness)
    first, second = drawn[0], drawn[1]
    marks = (first[0], first[-1]) if joined else (first[0], second[-1])
    for mark in marks:
        _stroke(image, mark, mark, style.marker)
    return image


def _snake(
    rng: np.random.Generator,
    side: int,
    style: Drawing,
    dashes: int,
    taken: list[NDArray[np.float64]],
) -> NDArray[np.float64] | None:
    """Joints (dashes + 1, 2) of a curve clear of all others, which joins `taken`; None if stuck."""
    room = max(style.margin + 2 * style.thickness, 0.75 * style.dash)
    others = np.concatenate(taken) if taken else np.empty((0, 2))
    for _ in range(_TRIES):
        joints = [rng.uniform(style.marker, side - style.marker, 2)]
        heading = rng.uniform(0, 2 * np.pi)
        while len(joints) <= dashes:
            for _ in range(8):
                turned = heading + rng.uniform(-1, 1) * style.bend * np.pi / 8
                step = style.dash * np.array([np.cos(turned), np.sin(turned)])
                point = joints[-1] + step
                inside = (point > style.marker).all() and (point < side - style.marker).all()
                apart = np.concatenate([others, np.array(joints[:-1]).reshape(-1, 2)])
                clear = not len(apart) or np.hypot(*(apart - point).T).min() > room
                if inside and clear:
                    heading = turned
                    joints.append(point)
                    break
            else:
                break
        started = not len(others) or np.hypot(*(others - joints[0]).T).min() > room
        if len(joints) == dashes + 1 and started:
            found = np.array(joints)
            taken.append(found)
            return found
    return None


def _stroke(
    image: NDArray[np.float32], a: NDArray[np.float64], b: NDArray[np.float64], radius: float
) -> None:
    """Draws all within `radius` of the line from a to b (row, column), edges one pixel soft."""
    reach = int(np.ceil(radius)) + 1
    low = np.maximum(np.floor(np.minimum(a, b)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(np.maximum(a, b)).astype(int) + reach + 1, image.shape)
    y, x = np.mgrid[low[0] : high[0], low[1] : high[1]]
    along = b - a
    length = max(float(along @ along), 1e-12)
    t = np.clip(((y - a[0]) * along[0] + (x - a[1]) * along[1]) / length, 0, 1)
    distance = np.hypot(y - a[0] - t * along[0], x - a[1] - t * along[1])
    part = image[low[0] : high[0], low[1] : high[1]]
    np.maximum(part, np.clip(radius + 0.5 - distance, 0, 1), out=part)
