"""Line charts as inline SVG whose colours are the page's, so that they follow light and dark."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from tasks.report.page import Html, element, join

# matplotlib draws with these stand-ins; the page's style sheet says what they look like.
_INK, _MUTED, _GRID = "#010101", "#020202", "#030303"
_COLOURS = [f"#0a0a{i:02x}" for i in range(8)]
_VARIABLES = {_INK: "--ink", _MUTED: "--muted", _GRID: "--line"} | {
    colour: f"--c{i}" for i, colour in enumerate(_COLOURS)
}
_DASHES: Sequence[tuple[float, ...]] = ((), (5, 2), (1.5, 1.8), (6, 2, 1.5, 2), (3, 2), (8, 3))
TRUTH = -1  # the colour of what was measured: the ink itself, broad and faint below all others
_TRUTH_ALPHA = 0.35
_WIDE_RANGE = 50  # a ratio of largest to smallest value beyond which small ones would not show
_SIZE = (4.3, 2.6)  # inches of 72 px: near its size on the page, so that text stays readable
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "headwater",
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
}


class Line(NamedTuple):
    """One line of a chart. colour: 0 to 7, or TRUTH; points: whether each value has a marker."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: int
    bold: bool = False
    points: bool = False


def chart(
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    says: str,
    ticks: Sequence[int] = (),
    mark: float | None = None,
) -> Html:
    """A line chart without a legend (see `legend`).

    x, y: axis labels with units. says: what it shows, for those who cannot see it. ticks: the only
    values on the x axis, which is then logarithmic; the y axis is, where values range widely.
    mark: an x to draw a vertical line at.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        for line in lines:
            axes.plot(
                line.x,
                [math.nan if value is None else value for value in line.y],
                color=_colour(line.colour),
                linewidth=4.0 if line.colour == TRUTH else 2.2 if line.bold else 1.3,
                alpha=_TRUTH_ALPHA if line.colour == TRUTH else 1.0,
                dashes=_dashes(line.colour),
                marker="o" if line.points else "",
                markersize=3.4 if line.bold else 2.6,
                zorder=2 if line.colour == TRUTH else 4 if line.bold else 3,
            )
        if ticks:
            axes.set_xscale("log", base=2)
            axes.set_xticks(list(ticks), labels=[f"{tick:,}" for tick in ticks])
            axes.minorticks_off()
        shown = [value for line in lines for value in line.y if value is not None]
        if shown and min(shown) > 0 and max(shown) / min(shown) > _WIDE_RANGE:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.minorticks_off()
            y = f"{y}, log scale"
        if mark is not None:
            axes.axvline(mark, color=_MUTED, linewidth=0.8, dashes=(2, 2))
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return _inline(drawn.getvalue(), says)


def legend(lines: Sequence[Line]) -> Html:
    """What the colours and dashes of a group of charts mean."""
    items = []
    for line in lines:
        dash = ",".join(f"{length:g}" for length in _dashes(line.colour))
        style = f"stroke:var({_VARIABLES[_colour(line.colour)]});stroke-dasharray:{dash or 'none'}"
        if line.colour == TRUTH:
            style += f";stroke-width:4.5;opacity:{_TRUTH_ALPHA}"
        stroke = element("path", attributes={"d": "M1 5H25", "style": style})
        classes = "svg.bold" if line.bold else "svg"
        box = {"viewBox": "0 0 26 10", "aria-hidden": "true"}
        items.append(element("li", element(classes, stroke, attributes=box), line.label))
    return element("ul.legend", *items)


def _colour(index: int) -> str:
    return _INK if index == TRUTH else _COLOURS[index % len(_COLOURS)]


def _dashes(index: int) -> tuple[float, ...]:
    return () if index == TRUTH else _DASHES[index % len(_DASHES)]


def _inline(svg: str, says: str) -> Html:
    """matplotlib's file as an element of a page: no header, no ids but those it refers to."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r' id="[\w.]+_\d+"| xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)  # the page's own typeface
    svg = re.sub(r" ?font-family:[^;\"]*;?", "", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    body = svg[svg.index(">") + 1 :]
    box = re.search(r'viewBox="([^"]*)"', svg)
    head = {"viewBox": box[1] if box else "0 0 310 187", "role": "img", "aria-label": says}
    start = element("svg.plot", attributes=head).removesuffix("</svg>")
    return join(Html(start), Html(re.sub(r"\n\s*", "\n", body)))
