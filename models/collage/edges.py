"""Layer-wise ControlNet: every layer's outlines are held with a strength of its own.

The residual that a ControlNet adds at a level is multiplied, place by place, by the strength of the
layer that is seen there; 0 where no layer is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import ControlNetModel
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from models.collage.layers import Collage
from models.collage.masks import resized

Floats = NDArray[np.floating]

_LOW, _HIGH = 0.39, 0.78  # Canny's 100 and 200 of 255


class EdgeMaps(NamedTuple):
    """What a ControlNet sees of B collages, and how strongly it is heard where."""

    edges: Tensor  # (B, 3, H, W), 0 or 1
    strength: Tensor  # (B, 1, H, W)


@dataclass(frozen=True)
class EdgeControl:
    """A ControlNet of outlines over a U-Net; several add up."""

    network: ControlNetModel

    def maps(self, collages: Sequence[Collage]) -> EdgeMaps:
        """Outlines of the composites, and each layer's strength where it is seen."""
        edges = np.stack([outlines(c.composite) for c in collages])
        strength = np.stack(
            [np.tensordot([la.edges for la in c.layers], c.visible, 1) for c in collages]
        )
        return EdgeMaps(
            torch.from_numpy(edges)[:, None].expand(-1, 3, -1, -1),
            torch.from_numpy(strength.astype(np.float32))[:, None],
        )

    def residuals(
        self, z: Tensor, t: Tensor, hidden: Tensor, maps: EdgeMaps, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What the U-Net is to add at its levels: `before` and ours, weighted place by place.

        z (2B, C, h, w) and hidden (2B, tokens, width) hold the unconditional half first.
        """
        edges, strength = (torch.cat([m, m]) for m in maps)
        down, mid = self.network(z, t, hidden, controlnet_cond=edges, return_dict=False)
        *ours, middle = (
            part * resized(strength, (part.shape[2], part.shape[3])) for part in (*down, mid)
        )
        if before:
            known = before["down_block_additional_residuals"]
            ours = [a + b for a, b in zip(known, ours, strict=True)]
            middle = before["mid_block_additional_residual"] + middle
        return {
            "down_block_additional_residuals": tuple(ours),
            "mid_block_additional_residual": middle,
        }


def outlines(image: NDArray[np.uint8]) -> Floats:
    """Canny's edges of a picture (H, W, 3): 1 on them, 0 elsewhere (H, W).

    Gradients of the brightness are thinned to their ridges; weak ridges stay where they touch a
    strong one.
    """
    grey = ndimage.gaussian_filter(image.astype(np.float32).mean(-1) / 255, 0.7)
    dy, dx = ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)
    size = np.hypot(dx, dy)
    length = np.where(size > 0, size, 1)
    y, x = np.indices(size.shape)
    ahead, behind = (
        ndimage.map_coordinates(
            size, [y + side * dy / length, x + side * dx / length], order=1, mode="nearest"
        )
        for side in (1, -1)
    )
    ridge = (size >= ahead) & (size > behind)
    pieces, _ = ndimage.label(ridge & (size > _LOW), np.ones((3, 3)))
    strong = np.unique(pieces[ridge & (size > _HIGH)])
    return np.isin(pieces, strong[strong > 0]).astype(np.float32)
