"""How true a picture is to its collage, layer by layer, and how much of one piece it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.collage.features import Features
from models.collage.judges import RealJudge, Segmenter
from models.collage.layers import Collage
from models.collage.train import to_signed

Floats = NDArray[np.float64]

WHOLE = -1  # the layer number of scores of the whole picture


class Score(NamedTuple):
    """One value of one metric."""

    layer: int
    metric: str
    value: float


class Classes(NamedTuple):
    """What the segmenter calls a collage's layers; 0 for the ground."""

    shape: Sequence[int]
    colour: Sequence[int]


class Panel(NamedTuple):
    """Who judges; features are there where their package is."""

    segmenter: Segmenter
    real: RealJudge
    features: Features | None


def score_picture(
    collage: Collage,
    classes: Classes,
    picture: NDArray[np.uint8],
    judges: Panel,
) -> Iterator[Score]:
    """All metrics of a picture (H, W, 3).

    By layer that is an object: `iou` of its visible mask with where the segmenter sees its shape in
    its colour, `found` whether that is at least a half, `centre` how far the two centres lie apart
    [share of the side; nothing where it is not seen], `delta_e` mean distance in CIELAB inside the
    mask after the picture's overall tint is taken out, `cosine` likeness of the crops in ImageNet
    features, `change` mean distance of the pixels inside [0..1], `outside` likewise elsewhere. Of
    the whole: `real`, the probability of being filmed in one light.
    """
    signed = to_signed(picture[None])
    shape, colour = (logits.argmax(1)[0].numpy() for logits in judges.segmenter(signed))
    yield Score(WHOLE, "real", torch.sigmoid(judges.real(signed)).item())
    masks, composite = collage.visible, collage.composite
    moved = np.abs(picture.astype(np.float64) - composite).mean(-1) / 255
    apart = np.linalg.norm(lab(untinted(picture, composite)) - lab(composite / 255), axis=-1)
    for i, mask in enumerate(masks):
        if not classes.shape[i]:
            continue
        inside = mask > 0.5
        if not inside.any():
            continue
        seen = (shape == classes.shape[i]) & (colour == classes.colour[i])
        iou = float((seen & inside).sum() / (seen | inside).sum())
        yield Score(i, "iou", iou)
        yield Score(i, "found", float(iou >= 0.5))
        if seen.any():
            yield Score(i, "centre", _distance(seen, inside))
        yield Score(i, "delta_e", float(np.average(apart, weights=mask)))
        yield Score(i, "change", float(np.average(moved, weights=mask)))
        yield Score(i, "outside", float(np.average(moved, weights=1 - mask)))
        if judges.features is not None:
            yield Score(i, "cosine", judges.features.likeness(picture, composite, inside))


def untinted(picture: NDArray[np.uint8], like: NDArray[np.uint8]) -> Floats:
    """A picture in 0..1 with the mean colour of another: a common tint is no loss of appearance."""
    light = picture / 255
    gain = (like / 255).mean((0, 1)) / np.maximum(light.mean((0, 1)), 1e-3)
    return np.clip(light * gain, 0, 1)


def lab(rgb: Floats) -> Floats:
    """CIELAB (D65) of sRGB in 0..1 (..., 3)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
_WHITE = np.array([0.95047, 1.0, 1.08883])


def _distance(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    centres = [np.argwhere(mask).mean(0) / mask.shape for mask in (one, other)]
    return float(np.linalg.norm(centres[0] - centres[1]))
