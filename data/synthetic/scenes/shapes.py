"""Outlines as signed distances: negative inside, in units of the shape's half-width."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def _circle(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 1.0


def _square(x: Array, y: Array) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - 0.85


def _polygon(x: Array, y: Array, sides: int, inner: float) -> Array:
    """A regular star of `sides` points, one upwards; inner: radius between the points."""
    half = np.pi / sides
    angle = np.abs((np.arctan2(x, -y) + half) % (2 * half) - half)  # from the nearest point
    radius = np.hypot(x, y)
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    ex, ey = inner * np.cos(half) - 1.0, inner * np.sin(half)  # the edge, from the point (1, 0)
    return ((px - 1.0) * ey - py * ex) / np.hypot(ex, ey)


def _triangle(x: Array, y: Array) -> Array:
    return _polygon(x, y - 0.2, 3, 0.5)


def _star(x: Array, y: Array) -> Array:
    return _polygon(x, y, 5, 0.45)


def _heart(x: Array, y: Array) -> Array:
    x = np.abs(x)
    lobe = np.hypot(x - 0.45, y + 0.35) - 0.55
    # Below, lines that touch the lobes at (0.839, 0.039) and meet in a point.
    below = np.maximum((x + y - 0.878) * np.sqrt(0.5), np.maximum(x - 0.839, -0.35 - y))
    return np.minimum(lobe, below)


def _ring(x: Array, y: Array) -> Array:
    return np.abs(np.hypot(x, y) - 0.7) - 0.28


def _cross(x: Array, y: Array) -> Array:
    x, y = np.abs(x), np.abs(y)
    return np.maximum(np.maximum(x, y) - 1.0, np.minimum(x, y) - 0.34)


def _moon(x: Array, y: Array) -> Array:
    return np.maximum(np.hypot(x, y) - 1.0, 0.72 - np.hypot(x - 0.5, y + 0.12))


_OUTLINES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "ring": _ring,
    "cross": _cross,
    "moon": _moon,
}
SHAPES = tuple(_OUTLINES)


def coverage(shape: NDArray[np.integer], x: Array, y: Array, pixel: Array) -> Array:
    """Share of each pixel that lies in each shape: antialiased, (N, S, S) in 0..1.

    shape: numbers in SHAPES (N,). x, y: coordinates in half-widths, y downwards (N, S, S).
    pixel: side of a pixel in half-widths (N,).
    """
    distance = np.empty_like(x)
    for i, name in enumerate(SHAPES):
        here = shape == i
        if here.any():
            distance[here] = _OUTLINES[name](x[here], y[here])
    return np.clip(0.5 - distance / pixel[:, None, None], 0.0, 1.0).astype(np.float32)
