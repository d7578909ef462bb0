"""The weights of a model as they lie on disk: named tensors, read in pieces, never whole."""

from __future__ import annotations

from pathlib import Path

from models.flexgen.config import ModelShape


class WeightFolder:
    """A folder with config.json and safetensors files. Opening it reads headers only."""

    shape: ModelShape

    def __init__(self, folder: Path) -> None: ...
