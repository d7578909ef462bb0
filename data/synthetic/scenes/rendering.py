"""Scenes as a camera sees them: one light with its shading, shadows, tint, blur and grain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.synthetic.scenes.drawing import ground, surface
from data.synthetic.scenes.shapes import coverage
from data.synthetic.scenes.specs import Lights, SceneConfig, Scenes

Array = NDArray[np.floating]

_SHADOW_REACH = 0.09  # of the side


class Pictures(NamedTuple):
    """N rendered scenes."""

    image: NDArray[np.uint8]  # (N, S, S, 3)
    visible: Array  # what is seen of each object: its alpha less what covers it (N, K, S, S)


def render(scenes: Scenes, config: SceneConfig) -> Pictures:
    """Scenes in their own light: shaded, with drop shadows on all that lies below."""
    light = scenes.light
    image = ground(scenes.ground, scenes.phase, config.size)
    visible = np.zeros((*scenes.objects.present.shape, config.size, config.size), np.float32)
    for k in range(visible.shape[1]):
        alpha, albedo = draw_object(scenes, k, config.size)
        shadow = _shadow(alpha, light.angle, config.size)[..., None]
        image = image * (1 - config.shadow * shadow)
        lit = albedo * shading(scenes, k, light, config.size)
        image = image * (1 - alpha[..., None]) + lit * alpha[..., None]
        visible[:, :k] *= 1 - alpha[:, None]
        visible[:, k] = alpha
    return Pictures(to_bytes(filmed(image, light, scenes.seeds)), visible)


def draw_object(scenes: Scenes, k: int, size: int) -> tuple[Array, Array]:
    """Coverage (N, S, S) and albedo (N, S, S, 3) of the k-th object of every scene."""
    o = scenes.objects
    x, y = _local(scenes, k, size)
    alpha = coverage(o.shape[:, k], x, y, 1.0 / (o.radius[:, k] * size))
    alpha *= o.present[:, k, None, None]
    look = {name: getattr(o, name)[:, k] for name in ("colour", "pattern", "shade")}
    return alpha, surface(**look, x=x, y=y, alpha=alpha)


def shading(scenes: Scenes, k: int, light: Lights, size: int) -> Array:
    """Factor on the k-th object's albedo (N, S, S, 1): brighter on the side of the light."""
    o = scenes.objects
    grid = _grid(size)
    x = (grid[None, None, :] - o.x[:, k, None, None]) / o.radius[:, k, None, None]
    y = (grid[None, :, None] - o.y[:, k, None, None]) / o.radius[:, k, None, None]
    towards = x * np.cos(light.angle)[:, None, None] + y * np.sin(light.angle)[:, None, None]
    return (1 + light.shading[:, None, None] * np.clip(towards, -1, 1))[..., None]


def filmed(image: Array, light: Lights, seeds: NDArray[np.int64]) -> Array:
    """Pictures (N, S, S, 3) after tint, blur and grain; grain is drawn from `seeds` (N,)."""
    image = image * light.tint[:, None, None, :]
    soft = light.softness > 0
    if soft.any():
        image[soft] = blurred(image[soft])
    grain = np.stack(
        [np.random.default_rng([int(s), 7]).standard_normal(image.shape[1:3]) for s in seeds]
    ).astype(np.float32)
    return image + light.grain[:, None, None, None] * grain[..., None]


def blurred(image: Array) -> Array:
    """A 3 x 3 binomial blur of the two axes after the first, edges repeated."""
    for axis in (1, 2):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (1, 1)
        wide = np.pad(image, pad, mode="edge")
        n = image.shape[axis]
        before, after = (wide.take(range(s, s + n), axis) for s in (0, 2))
        image = 0.25 * before + 0.5 * image + 0.25 * after
    return image


def to_bytes(image: Array) -> NDArray[np.uint8]:
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _shadow(alpha: Array, angle: Array, size: int) -> Array:
    """An object's shadow: its coverage moved away from the light and blurred (N, S, S)."""
    reach = _SHADOW_REACH * size
    dx = np.rint(-reach * np.cos(angle)).astype(int)
    dy = np.rint(-reach * np.sin(angle)).astype(int)
    pad = int(np.ceil(reach))
    wide = np.pad(alpha, ((0, 0), (pad, pad), (pad, pad)))
    rows = np.arange(size)[None, :] + pad - dy[:, None]
    columns = np.arange(size)[None, :] + pad - dx[:, None]
    moved = wide[np.arange(len(alpha))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return blurred(blurred(moved))


def _local(scenes: Scenes, k: int, size: int) -> tuple[Array, Array]:
    """Coordinates of all pixels in the k-th object's half-widths, turned with it (N, S, S)."""
    o, grid = scenes.objects, _grid(size)
    x = (grid[None, None, :] - o.x[:, k, None, None]) / o.radius[:, k, None, None]
    y = (grid[None, :, None] - o.y[:, k, None, None]) / o.radius[:, k, None, None]
    c, s = np.cos(o.angle[:, k, None, None]), np.sin(o.angle[:, k, None, None])
    return c * x + s * y, c * y - s * x


def _grid(size: int) -> Array:
    """Centres of pixels [share of the side]."""
    return (np.arange(size, dtype=np.float32) + 0.5) / size
