"""Collages of scenes: their ground and objects cut out, each as lit and filmed somewhere else.

Pasted together they have no shadows and as many lights as layers: what harmonisation is to mend.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.synthetic.scenes.drawing import GROUNDS, ground
from data.synthetic.scenes.rendering import draw_object, filmed, shading, to_bytes
from data.synthetic.scenes.specs import (
    Lights,
    SceneConfig,
    Scenes,
    captions,
    draw_lights,
    object_names,
)

_OTHER_LIGHTS = 11  # seeds the layers' lights apart from the scene's own


class SceneCollage(NamedTuple):
    """One scene as layers, back to front: its ground, then its objects."""

    prompt: str
    texts: tuple[str, ...]
    pixels: NDArray[np.uint8]  # RGBA at their place (n, S, S, 4)
    shape: tuple[int, ...]  # class of each object in the segmenter's words; 0 of the ground
    colour: tuple[int, ...]


def scene_collages(scenes: Scenes, config: SceneConfig) -> list[SceneCollage]:
    """The scenes' collages; places without an object have no layer."""
    pixels, present = pasted_layers(scenes, config), scenes.objects.present
    names, prompts = object_names(scenes), captions(scenes)
    return [
        SceneCollage(
            prompts[i],
            (GROUNDS[scenes.ground[i]], *names[i]),
            pixels[i][np.r_[True, present[i]]],
            (0, *(scenes.objects.shape[i][present[i]] + 1).tolist()),
            (0, *(scenes.objects.colour[i][present[i]] + 1).tolist()),
        )
        for i in range(len(scenes))
    ]


def pasted_layers(scenes: Scenes, config: SceneConfig) -> NDArray[np.uint8]:
    """RGBA of the ground and of all object places, each in a light of its own (N, K + 1, S, S, 4).

    Object places without an object are transparent.
    """
    n, most = scenes.objects.present.shape
    layers = np.zeros((n, most + 1, config.size, config.size, 4), np.uint8)
    for k in range(most + 1):
        light = _lights(scenes, config, k)
        if k:
            alpha, image = draw_object(scenes, k - 1, config.size)
            image = image * shading(scenes, k - 1, light, config.size)
        else:
            alpha = np.ones((n, config.size, config.size), np.float32)
            image = ground(scenes.ground, scenes.phase, config.size)
        layers[:, k, ..., :3] = to_bytes(filmed(image, light, scenes.seeds * (most + 1) + k))
        layers[:, k, ..., 3] = np.rint(alpha * 255)
    return layers


def _lights(scenes: Scenes, config: SceneConfig, k: int) -> Lights:
    """The light of layer k of every scene, the same in any batch."""
    drawn = [
        draw_lights(config, np.random.default_rng([config.seed, _OTHER_LIGHTS, k, int(seed)]), 1)
        for seed in scenes.seeds
    ]
    return Lights(
        *(np.concatenate([getattr(one, field.name) for one in drawn]) for field in fields(Lights))
    )


def labels(scenes: Scenes, visible: NDArray[np.float32]) -> tuple[NDArray[np.int64], ...]:
    """Shape and colour of what is seen at every pixel, each (N, S, S); 0 is the ground.

    visible: what is seen of each object (N, K, S, S), as `render` gives it.
    """
    seen = np.concatenate([1 - visible.sum(1, keepdims=True), visible], 1).argmax(1)
    zero = np.zeros((len(scenes), 1), np.int64)
    objects = scenes.objects
    return tuple(
        np.take_along_axis(
            np.concatenate([zero, kind + 1], 1)[:, :, None, None], seen[:, None], axis=1
        )[:, 0]
        for kind in (objects.shape, objects.colour)
    )
