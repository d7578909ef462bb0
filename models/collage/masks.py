"""Masks at the sizes that networks work at."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]


def level_sizes(latent: Size, levels: int) -> list[Size]:
    """Sizes (h, w) of a U-Net's levels, finest first: every level halves, rounding up."""
    sizes = [latent]
    for _ in range(levels - 1):
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes


def resized(masks: Tensor, size: Size) -> Tensor:
    """The share that masks (B, n, H, W) have of every cell at another size: (B, n, h, w).

    Unlike interpolation it neither loses small layers nor leaks into cells without any of a layer.
    """
    return F.adaptive_avg_pool2d(masks, size)


def pyramid(masks: Tensor, latent: Size, levels: int) -> Mapping[Size, Tensor]:
    """Masks (B, n, H, W) at every level, keyed by (h, w), with positions in a row: (B, n, h w).

    Keyed by both sides: the number of positions alone says nothing of a canvas that is not square.
    """
    return {size: resized(masks, size).flatten(2) for size in level_sizes(latent, levels)}


def noise_map(masks: Tensor, noise: Tensor, outside: Tensor, latent: Size, blur: float) -> Tensor:
    """N(p): each layer's noise where it is seen, `outside` elsewhere, at latent size (B, 1, h, w).

    masks (B, n, H, W), noise (B, n), outside (B,). blur: standard deviation [px of the masks]. A
    latent wholly inside one layer, farther than the blur from its edge, has exactly its noise.
    """
    stacked = torch.cat([masks, (1 - masks.sum(1, keepdim=True)).clamp(min=0)], 1)
    levels = torch.cat([noise, outside[:, None]], 1)
    found = (stacked * levels[:, :, None, None]).sum(1, keepdim=True)
    if blur > 0:
        found = gaussian_blur(found, blur)
    pooled = resized(found, latent)
    # Sums of soft masks stray from a level by rounding, and a level is compared with times.
    for level in levels.unique():
        pooled = torch.where((pooled - level).abs() < 1e-5, level, pooled)
    return pooled


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur (B, C, H, W) of standard deviation sigma [px], edges repeated."""
    reach = max(int(3 * sigma + 0.5), 1)
    x = torch.arange(-reach, reach + 1, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, -1)
    wide = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    rows = F.conv2d(wide, kernel[:, :, None, :], groups=image.shape[1])
    return F.conv2d(rows, kernel[:, :, :, None], groups=image.shape[1])


def free_steps(noise: Tensor, steps: int) -> Tensor:
    """How many of a schedule's last `steps` a place of noise N(p) is free for; 0: never.

    As image-to-image counts the steps of a strength: floor(steps * N), rounding aside.
    """
    return (noise.double().round(decimals=6) * steps).floor().clamp(max=steps).long()


def held(free: Tensor, left: int, radius: int) -> Tensor:
    """F_t: 1 where the collage is still held with `left` steps to go, 0 elsewhere (B, 1, h, w).

    A place that is free for f steps (`free_steps`) is put back for the last time with f to go, so
    its own sampling begins at the time where image-to-image with its noise would; f = 0 is never
    freed. The held part is widened by `radius` latents.
    """
    keep = ((free <= left) | (free == 0)).float()
    return F.max_pool2d(keep, 2 * radius + 1, 1, radius) if radius else keep
