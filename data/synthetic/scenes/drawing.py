"""Surfaces: the colours and patterns of objects, and six textured grounds, all before any light."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.82, 0.14, 0.14),
    "orange": (0.95, 0.52, 0.10),
    "yellow": (0.95, 0.86, 0.18),
    "green": (0.16, 0.62, 0.22),
    "cyan": (0.20, 0.78, 0.82),
    "blue": (0.16, 0.28, 0.82),
    "purple": (0.55, 0.20, 0.68),
    "white": (0.93, 0.93, 0.93),
}
PATTERNS = ("plain", "striped", "dotted", "rimmed")  # never named in a caption
GROUNDS = ("grass", "sand", "water", "brick", "wood", "snow")

_GROUND_COLOURS = np.array(
    [
        [0.36, 0.52, 0.22],
        [0.78, 0.68, 0.46],
        [0.24, 0.44, 0.62],
        [0.58, 0.30, 0.24],
        [0.50, 0.36, 0.22],
        [0.84, 0.88, 0.93],
    ],
    np.float32,
)
_COLOUR_TABLE = np.array(list(COLOURS.values()), np.float32)


def surface(
    *,
    colour: NDArray[np.integer],
    pattern: NDArray[np.integer],
    shade: Array,
    x: Array,
    y: Array,
    alpha: Array,
) -> Array:
    """Albedo of objects (N, S, S, 3): colour with its own shade, darkened where the pattern is.

    x, y: coordinates in half-widths (N, S, S). alpha: coverage (N, S, S); rims follow its edge.
    """
    base = np.clip(_COLOUR_TABLE[colour] + shade, 0.02, 1.0)[:, None, None, :]
    stripes = np.sin(5.5 * (x + y)) > 0.2
    dots = (np.sin(6.5 * x) * np.sin(6.5 * y)) > 0.35
    rim = np.minimum.reduce([np.roll(alpha, s, axis) for axis in (1, 2) for s in (-1, 1)]) < 0.5
    marks = np.stack([np.zeros_like(stripes), stripes, dots, rim])
    marked = marks[pattern, np.arange(len(pattern))][..., None]
    return np.where(marked, base * 0.55, base).astype(np.float32)


def ground(kind: NDArray[np.integer], phase: Array, size: int) -> Array:
    """Albedo of grounds (N, S, S, 3). phase: shift of the texture [1/32 of the side] (N, 2)."""
    scale = 32.0 / size
    grid = (np.arange(size, dtype=np.float32) + 0.5) * scale
    x = grid[None, None, :] + phase[:, 0, None, None]
    y = grid[None, :, None] + phase[:, 1, None, None]
    x, y = np.broadcast_arrays(x, y)
    speckle = np.sin(x * 12.9898 // 1 * 78.233 + (y // 1) * 37.719) * 43758.5453
    speckle = 2 * (speckle - np.floor(speckle)) - 1
    row = np.floor(y / 6)
    bricks = np.where(((y % 6) < 1) | (((x + 6 * (row % 2)) % 12) < 1), 0.35, 0.0)
    height = np.empty((len(kind), size, size), np.float32)
    for number, texture in enumerate(
        (
            0.10 * np.sin(2.1 * x + 0.7 * np.sin(y)) + 0.10 * speckle,
            0.07 * speckle,
            0.14 * np.sin(0.9 * y + 0.8 * np.sin(0.45 * x)),
            bricks - 0.05,
            0.12 * np.sin(1.3 * y + 1.2 * np.sin(0.16 * x)) + 0.03 * speckle,
            0.04 * np.sin(0.35 * x + 0.5 * y) + 0.02 * speckle,
        )
    ):
        here = kind == number
        height[here] = texture[here]
    albedo = _GROUND_COLOURS[kind][:, None, None, :] * (1 + height[..., None])
    return np.clip(albedo, 0, 1).astype(np.float32)
