"""A collage ready to be composed: layers at their place on the canvas, words and strengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

Floats = NDArray[np.floating]

CANVAS = (150, 150, 150)  # the grey that shows where no layer is


class LayerConfig(BaseModel, frozen=True, extra="forbid"):
    """What the model is told about one layer."""

    text: str = Field(description="its words, which occur in the prompt", min_length=1)
    noise: float = Field(
        default=0.6, description="n_i: 0 keeps its pixels, 1 keeps its words alone", ge=0, le=1
    )
    attend: float = Field(
        default=0.6, description="w_pos: pull of its words towards its place", ge=0, le=4
    )
    avoid: float = Field(
        default=0.4, description="w_neg: push of its words away from elsewhere", ge=0, le=4
    )
    edges: float = Field(
        default=0.5, description="hold of its outlines, with ControlNet", ge=0, le=1
    )


@dataclass(frozen=True)
class Collage:
    """A prompt and n layers, back to front, on a canvas of H x W pixels."""

    prompt: str
    layers: tuple[LayerConfig, ...]
    pixels: NDArray[np.uint8]  # RGBA at their place (n, H, W, 4)
    noise: float = 0.8  # where no layer is
    canvas: NDArray[np.uint8] | None = None  # what is there (H, W, 3); grey by default

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("a collage needs at least one layer")
        if self.pixels.shape != (len(self.layers), *self.pixels.shape[1:3], 4):
            raise ValueError(
                f"pixels of shape {self.pixels.shape} for {len(self.layers)} layers: "
                "they must be (layers, height, width, 4)"
            )
        for i, mask in enumerate(self.visible):
            if not mask.any():
                raise ValueError(
                    f"layer {i + 1} ({self.layers[i].text!r}): nothing of it is seen; "
                    "it is transparent, off the canvas or wholly covered"
                )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas [px]."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(layer.text for layer in self.layers)

    @property
    def visible(self) -> Floats:
        """What is seen of every layer (n, H, W)."""
        return visible_masks(self.pixels[..., 3].astype(np.float32) / 255)

    @property
    def composite(self) -> NDArray[np.uint8]:
        """The layers pasted on the canvas, back to front (H, W, 3)."""
        return pasted(self.pixels, self.canvas)


def visible_masks(alpha: Floats) -> Floats:
    """M_i = alpha_i prod_{j > i} (1 - alpha_j): alphas less all that lies on top (n, H, W).

    Soft, never thresholded: what is left of 1 is the canvas.
    """
    through = np.cumprod(1 - alpha[::-1], axis=0)[::-1]  # light that passes layers i..n
    above = np.concatenate([through[1:], np.ones_like(alpha[:1])])
    return alpha * above


def pasted(pixels: NDArray[np.uint8], canvas: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """RGBA layers (n, H, W, 4) on a canvas (H, W, 3), grey by default, back to front (H, W, 3)."""
    masks = visible_masks(pixels[..., 3].astype(np.float32) / 255)
    below = np.asarray(CANVAS if canvas is None else canvas, np.float32)
    image = below * (1 - masks.sum(0))[..., None] + (masks[..., None] * pixels[..., :3]).sum(0)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)
