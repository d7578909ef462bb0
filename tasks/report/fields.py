"""Fields on a grid as inline SVG: cells of a diverging palette, blue below zero, red above."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.report.page import Html, element

_LEVELS = 9  # on either side of zero; a drawing is a path a level, so few levels are small pages
_MOST_CELLS = 64  # along an axis; finer grids are drawn by every n-th cell
_SIDE = 192  # px


def field_image(values: Sequence[float], grid: Sequence[int], limit: float, says: str) -> Html:
    """A field (X, Y) in C order, x to the right and y upwards; colours saturate at +-limit."""
    across, up = grid
    step = max(1, math.ceil(max(grid) / _MOST_CELLS))
    columns, rows = range(0, across, step), range(0, up, step)
    runs: dict[int, list[str]] = {}
    for j, y in enumerate(reversed(rows)):
        levels = [_level(values[x * up + y] / limit) for x in columns]
        start = 0
        for i in range(1, len(levels) + 1):
            if i == len(levels) or levels[i] != levels[start]:
                runs.setdefault(levels[start], []).append(f"M{start} {j}h{i - start}v1H{start}z")
                start = i
    paths = [
        element("path", attributes={"d": "".join(runs[level]), "fill": _colour(level)})
        for level in sorted(runs)
    ]
    box = {
        "viewBox": f"0 0 {len(columns)} {len(rows)}",
        "width": _SIDE,
        "height": round(_SIDE * len(rows) / len(columns)),
        "shape-rendering": "crispEdges",
        "role": "img",
        "aria-label": says,
    }
    return element("svg", *paths, attributes=box)


def scale_bar() -> Html:
    """The palette from the most negative to the most positive value."""
    levels = range(-_LEVELS, _LEVELS + 1)
    cells = [
        element("path", attributes={"d": f"M{i} 0h1v1h-1z", "fill": _colour(level)})
        for i, level in enumerate(levels)
    ]
    box = {"viewBox": f"0 0 {len(levels)} 1", "width": 190, "height": 10,
           "role": "img", "aria-label": "colours from negative to positive"}  # fmt: skip
    return element("svg", *cells, attributes=box)


def _level(share: float) -> int:
    """-_LEVELS to _LEVELS; values that are not finite stand in the middle."""
    if not math.isfinite(share):
        return 0
    return max(-_LEVELS, min(_LEVELS, round(share * _LEVELS)))


def _colour(level: int) -> str:
    """White at zero, darkening to blue or red."""
    share = abs(level) / _LEVELS
    end = (178, 24, 43) if level > 0 else (33, 102, 172)
    mixed = (round(247 + share * (c - 247)) for c in end)
    return "#" + "".join(f"{c:02x}" for c in mixed)
