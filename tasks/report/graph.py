"""A layered graph, left to right, as inline SVG: every box stands right of all it is made from."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tasks.report.page import Html, element, short

_LETTER = 7.3  # px, advance of the page's monospaced face at 12 px
_PAD, _HEIGHT, _GAP, _RISE, _MARGIN = 11, 42, 34, 18, 6
_THIN = 10  # px of height that an edge takes where it passes through a layer
_LONGEST = 34
_SWEEPS = 8
_STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #222; }
rect { fill: #f6f9fc; stroke: #0868ac; stroke-width: 1.4; }
.card { fill: #fff; stroke: none; }
.found rect { stroke: #888; stroke-dasharray: 4 3; }
.below { font-size: 10.3px; fill: #666; }
.edge { fill: none; stroke: #999; stroke-width: 1.1; }
"""


class Box(NamedTuple):
    """A node: its name, a line below it, and whether it was made anew (else drawn dashed)."""

    name: str
    below: str
    new: bool


class _Slot(NamedTuple):
    """A place in a layer: a box (step 0), or an edge on its way through (its steps 1, 2, ...)."""

    node: Hashable
    target: Hashable = None
    step: int = 0


def draw(boxes: Mapping[Any, Box], edges: Iterable[tuple[Hashable, Hashable]], says: str) -> Html:
    """The graph for a page. edges: (from, to), both in `boxes`; no circles.

    says: what it shows, for those who cannot see it.
    """
    shapes, width, height = _shapes(boxes, edges)
    attributes = {
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "role": "img",
        "aria-label": says,
        "style": f"min-width:{width * 0.72:.0f}px;max-width:{width:.0f}px",
    }
    svg = element("svg.graph", *shapes, attributes=attributes)
    return element("div.scroll", svg, attributes={"tabindex": 0})


def as_file(boxes: Mapping[Any, Box], edges: Iterable[tuple[Hashable, Hashable]]) -> str:
    """The graph as an SVG file of its own, readable on light and on dark pages."""
    shapes, width, height = _shapes(boxes, edges)
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
    }
    card = element("rect.card", attributes={"width": "100%", "height": "100%"})
    return element("svg", element("style", Html(_STYLE)), card, *shapes, attributes=attributes)


def _shapes(
    boxes: Mapping[Any, Box], edges: Iterable[tuple[Hashable, Hashable]]
) -> tuple[list[Html], float, float]:
    """Edges, then boxes over them; and the width and height they take [px]."""
    kept = _without_circles(boxes, dict.fromkeys(edges))
    layer = _layers(boxes, kept)
    chains = [_chain(start, end, layer) for start, end in kept]
    columns = _order(boxes, layer, chains)
    places, width, height = _places(boxes, columns)
    drawn = [_edge([places[slot] for slot in chain]) for chain in chains]
    return [*drawn, *(_box(boxes[node], places[_Slot(node)]) for node in boxes)], width, height


class _Place(NamedTuple):
    left: float
    right: float
    middle: float


def _without_circles(
    boxes: Iterable[Hashable], edges: Iterable[tuple[Hashable, Hashable]]
) -> list[tuple[Hashable, Hashable]]:
    """Edges in their order, each kept unless its end already leads to its start."""
    after: dict[Hashable, list[Hashable]] = {node: [] for node in boxes}
    kept = []
    for start, end in edges:
        reached, waiting = {end}, [end]
        while waiting:
            for node in after[waiting.pop()]:
                if node not in reached:
                    reached.add(node)
                    waiting.append(node)
        if start not in reached:
            after[start].append(end)
            kept.append((start, end))
    return kept


def _layers(
    boxes: Iterable[Hashable], edges: Sequence[tuple[Hashable, Hashable]]
) -> dict[Hashable, int]:
    """The longest way to each node from where nothing leads; sources stand close to their use."""
    layer = dict.fromkeys(boxes, 0)
    for _ in layer:
        for start, end in edges:
            layer[end] = max(layer[end], layer[start] + 1)
    for node in layer:
        uses = [layer[end] for start, end in edges if start == node]
        if uses and not any(end == node for _, end in edges):
            layer[node] = min(uses) - 1
    return layer


def _chain(start: Hashable, end: Hashable, layer: Mapping[Hashable, int]) -> list[_Slot]:
    steps = range(1, layer[end] - layer[start])
    return [_Slot(start), *(_Slot(start, end, step) for step in steps), _Slot(end)]


def _order(
    boxes: Iterable[Hashable], layer: Mapping[Hashable, int], chains: Sequence[Sequence[_Slot]]
) -> list[list[_Slot]]:
    """Slots of every layer from top to bottom, by the barycentre heuristic of Sugiyama et al."""
    columns: list[list[_Slot]] = [[] for _ in range(1 + max(layer.values(), default=0))]
    for node in boxes:
        columns[layer[node]].append(_Slot(node))
    for chain in chains:
        for slot in chain[1:-1]:
            columns[layer[slot.node] + slot.step].append(slot)
    before: dict[_Slot, list[_Slot]] = {}
    after: dict[_Slot, list[_Slot]] = {}
    for chain in chains:
        for left, right in pairwise(chain):
            before.setdefault(right, []).append(left)
            after.setdefault(left, []).append(right)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            rank = {slot: i / len(each) for each in columns for i, slot in enumerate(each)}
            neighbours = before if forward else after

            def barycentre(
                slot: _Slot,
                rank: dict[_Slot, float] = rank,
                near: Mapping[_Slot, list[_Slot]] = neighbours,
            ) -> float:
                around = near.get(slot, [slot])
                return sum(rank[other] for other in around) / len(around)

            column.sort(key=barycentre)
    return columns


def _places(
    boxes: Mapping[Hashable, Box], columns: Sequence[Sequence[_Slot]]
) -> tuple[dict[_Slot, _Place], float, float]:
    tall = max(sum(_tall(slot) + _RISE for slot in column) for column in columns) - _RISE
    places: dict[_Slot, _Place] = {}
    left = float(_MARGIN)
    for column in columns:
        wide = max((_wide(boxes[slot.node]) for slot in column if not slot.step), default=0.0)
        taken = sum(_tall(slot) + _RISE for slot in column) - _RISE
        top = _MARGIN + (tall - taken) / 2
        for slot in column:
            places[slot] = _Place(left, left + wide, top + _tall(slot) / 2)
            top += _tall(slot) + _RISE
        left += wide + _GAP
    return places, left - _GAP + _MARGIN, tall + 2 * _MARGIN


def _tall(slot: _Slot) -> int:
    return _THIN if slot.step else _HEIGHT


def _wide(box: Box) -> float:
    longest = max(len(short(box.name, _LONGEST)), 0.86 * len(short(box.below, _LONGEST)))
    return 2 * _PAD + _LETTER * longest


def _edge(places: Sequence[_Place]) -> Html:
    """A curve that leaves and enters level, straight through the layers between."""
    path = f"M{places[0].right:.1f} {places[0].middle:.1f}"
    for start, end in pairwise(places):
        half = (start.right + end.left) / 2
        path += (
            f"C{half:.1f} {start.middle:.1f} {half:.1f} {end.middle:.1f}"
            f" {end.left:.1f} {end.middle:.1f}"
        )
        if end is not places[-1]:
            path += f"H{end.right:.1f}"
    tip = places[-1]
    arrow = f"M{tip.left - 6:.1f} {tip.middle - 3.5:.1f}l6 3.5l-6 3.5"
    return element("path.edge", attributes={"d": path + arrow})


def _box(box: Box, place: _Place) -> Html:
    frame = {
        "x": f"{place.left:.1f}",
        "y": f"{place.middle - _HEIGHT / 2:.1f}",
        "width": f"{place.right - place.left:.1f}",
        "height": _HEIGHT,
        "rx": 6,
    }
    at = {"x": f"{place.left + _PAD:.1f}"}
    return element(
        "g" if box.new else "g.found",
        element("rect", attributes=frame),
        element(
            "text", short(box.name, _LONGEST), attributes=at | {"y": f"{place.middle - 3:.1f}"}
        ),
        element(
            "text.below",
            short(box.below, _LONGEST),
            attributes=at | {"y": f"{place.middle + 13:.1f}"},
        ),
    )
