"""Editing: one layer of a finished picture is made anew, all others stay as they are.

The picture itself becomes the ground of a collage whose noise is 0; the layers to edit are pasted
on it again, with their noise, and drawn from another seed.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from models.collage.layers import Collage


def edited(collage: Collage, picture: NDArray[np.uint8], layers: Collection[int]) -> Collage:
    """The collage that, composed with a new seed, edits `layers` (numbers from 0) of `picture`.

    picture: bytes (H, W, 3), composed from `collage` before. Layers not edited lend the new collage
    their words and places, so that attention is steered as before, but the picture's pixels, and
    noise 0. Raises ValueError for a picture of another size and for layers there are not.
    """
    if picture.shape != (*collage.size, 3):
        raise ValueError(f"a picture of shape {picture.shape} for a canvas of {collage.size}")
    unknown = sorted(set(layers) - set(range(len(collage.layers))))
    if unknown or not layers:
        raise ValueError(f"edits layers 0 to {len(collage.layers) - 1}, asked for {sorted(layers)}")
    pixels = collage.pixels.copy()
    for i in range(len(pixels)):
        if i not in layers:
            pixels[i, ..., :3] = picture
    return Collage(
        collage.prompt,
        tuple(
            layer if i in layers else layer.model_copy(update={"noise": 0.0})
            for i, layer in enumerate(collage.layers)
        ),
        pixels,
        noise=0.0,
        canvas=picture,
    )
