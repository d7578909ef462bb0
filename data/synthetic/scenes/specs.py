"""What is in a scene: objects, ground and light, drawn from a seed, and its caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from data.synthetic.scenes.drawing import COLOURS, GROUNDS, PATTERNS
from data.synthetic.scenes.shapes import SHAPES

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


class SceneConfig(BaseModel, frozen=True, extra="forbid"):
    """How large scenes are, how full, and how much their lights differ."""

    size: int = Field(default=32, description="side of the picture [px]", ge=16)
    objects: tuple[int, int] = Field(default=(1, 3), description="fewest and most objects")
    radius: tuple[float, float] = Field(
        default=(0.15, 0.24), description="half-widths [share of the side]"
    )
    tint: float = Field(default=0.2, description="how far a light's colour strays", ge=0, le=0.5)
    shading: float = Field(
        default=0.35, description="most brightening towards the light", ge=0, le=0.8
    )
    shadow: float = Field(default=0.5, description="darkness of drop shadows", ge=0, le=1)
    grain: float = Field(default=0.03, description="most noise [of full scale]", ge=0, le=0.2)
    seed: int = Field(default=0, description="seed of all scenes", ge=0)


@dataclass(frozen=True)
class Lights:
    """The light of N pictures."""

    tint: Floats  # factor on red, green, blue (N, 3)
    angle: Floats  # where it comes from [rad] (N,)
    shading: Floats  # brightening of the side that faces it (N,)
    softness: Floats  # blur [px] (N,)
    grain: Floats  # noise [of full scale] (N,)


@dataclass(frozen=True)
class Objects:
    """K object places of N scenes, back to front; those not `present` are not drawn."""

    present: NDArray[np.bool_]  # (N, K), likewise all below
    shape: Ints
    colour: Ints
    pattern: Ints
    x: Floats  # centre [share of the side]
    y: Floats
    radius: Floats  # half-width [share of the side]
    angle: Floats  # [rad]
    shade: Floats  # own departure from the colour's mean (N, K, 3)


@dataclass(frozen=True)
class Scenes:
    """N scenes: what is in them, on which ground, in which light."""

    objects: Objects
    ground: Ints  # (N,)
    phase: Floats  # shift of the ground's texture (N, 2)
    light: Lights
    seeds: Ints  # of the grain (N,)

    def __len__(self) -> int:
        return len(self.ground)


def draw_scenes(config: SceneConfig, first: int, count: int) -> Scenes:
    """Scenes `first` to `first + count - 1` of all that the seed stands for, in any batch alike.

    No two objects of a scene have both shape and colour in common, and none hides another.
    """
    one_by_one = [
        _draw(config, np.random.default_rng([config.seed, number]))
        for number in range(first, first + count)
    ]
    return Scenes(
        objects=Objects(**_stacked([s.objects for s in one_by_one])),
        ground=np.concatenate([s.ground for s in one_by_one]),
        phase=np.concatenate([s.phase for s in one_by_one]),
        light=Lights(**_stacked([s.light for s in one_by_one])),
        seeds=np.arange(first, first + count),
    )


def draw_lights(config: SceneConfig, rng: np.random.Generator, n: int) -> Lights:
    """n lights that know nothing of each other."""
    return Lights(
        tint=(1 + config.tint * rng.uniform(-1, 1, (n, 3))).astype(np.float32),
        angle=rng.uniform(0, 2 * np.pi, n).astype(np.float32),
        shading=(config.shading * rng.uniform(0.3, 1, n)).astype(np.float32),
        softness=rng.choice([0.0, 0.0, 0.6], n).astype(np.float32),
        grain=(config.grain * rng.uniform(0, 1, n)).astype(np.float32),
    )


def captions(scenes: Scenes) -> list[str]:
    """As in "a red star, a blue ring and a white moon on sand"; objects in their order."""
    found = []
    for i, names in enumerate(object_names(scenes)):
        listed = [f"a {name}" for name in names]
        text = " and ".join(filter(None, [" , ".join(listed[:-1]), listed[-1]]))
        found.append(f"{text} on {GROUNDS[scenes.ground[i]]}")
    return found


def object_names(scenes: Scenes) -> list[list[str]]:
    """The words of every object, as in "red star", scene by scene in their order."""
    o, colours = scenes.objects, tuple(COLOURS)
    return [
        [f"{colours[o.colour[i, k]]} {SHAPES[o.shape[i, k]]}" for k in np.flatnonzero(o.present[i])]
        for i in range(len(scenes))
    ]


def _draw(config: SceneConfig, rng: np.random.Generator) -> Scenes:
    """One scene, as arrays with N = 1."""
    most = config.objects[1]
    count = rng.integers(config.objects[0], most + 1)
    kinds = rng.choice(len(SHAPES) * len(COLOURS), most, replace=False)
    radius = rng.uniform(*config.radius, most).astype(np.float32)
    centres = _centres(rng, radius)
    return Scenes(
        Objects(
            present=(np.arange(most) < count)[None],
            shape=(kinds % len(SHAPES))[None],
            colour=(kinds // len(SHAPES))[None],
            pattern=rng.integers(0, len(PATTERNS), most)[None],
            x=centres[None, :, 0],
            y=centres[None, :, 1],
            radius=radius[None],
            angle=rng.uniform(-0.4, 0.4, most).astype(np.float32)[None],
            shade=rng.uniform(-0.12, 0.12, (most, 3)).astype(np.float32)[None],
        ),
        ground=rng.integers(0, len(GROUNDS), 1),
        phase=rng.uniform(0, 64, (1, 2)).astype(np.float32),
        light=draw_lights(config, rng, 1),
        seeds=np.zeros(1, np.int64),
    )


def _centres(rng: np.random.Generator, radius: Floats) -> Floats:
    """Places within the picture, each at a distance from the others if a few tries find one."""
    placed: list[NDArray[np.float64]] = []
    for r in radius:
        tries = rng.uniform(r + 0.02, 0.98 - r, (20, 2))
        room = [
            min([np.hypot(*(t - p)) / (r + radius[j]) for j, p in enumerate(placed)], default=9.0)
            for t in tries
        ]
        fitting = [i for i, gap in enumerate(room) if gap > 0.85]
        placed.append(tries[fitting[0] if fitting else int(np.argmax(room))])
    return np.array(placed, np.float32)


def _stacked(parts: Sequence[Objects] | Sequence[Lights]) -> dict[str, Any]:
    """All arrays of several objects or lights by name, one after the other."""
    return {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(parts[0])
    }


def vocabulary() -> tuple[str, ...]:
    """Every word of a caption, and the words around one object's name."""
    return ("a", "and", "on", ",", "the", "picture", "of", *COLOURS, *SHAPES, *GROUNDS)
