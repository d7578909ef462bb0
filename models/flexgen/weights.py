"""The weights of a model as they lie on disk: named tensors, read in pieces, never whole."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.flexgen.config import BYTES, ModelShape

if TYPE_CHECKING:
    from models.flexgen.adapters import Adapter

_TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_MAX_HEADER = 100 << 20  # bytes, as the format's own reader has it


@dataclass(frozen=True)
class Stored:
    """One tensor in one file."""

    name: str
    path: Path
    offset: int  # of its first byte in the file
    shape: tuple[int, ...]
    dtype: str  # float32, float16 or bfloat16

    @property
    def values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self.values * BYTES[self.dtype]


class WeightFolder:
    """A folder with config.json and safetensors files, as `save_pretrained` writes it.

    Opening it reads headers only. Raises ValueError when a file is missing, cut short or of an
    architecture without an adapter.
    """

    def __init__(self, folder: Path) -> None:
        from models.flexgen.adapters import adapter_for

        self.folder = folder
        config = folder / "config.json"
        if not config.is_file():
            raise ValueError(f"{folder} holds no config.json: it is no model folder")
        self._tensors = {tensor.name: tensor for path in _files(folder) for tensor in _header(path)}
        self.adapter: Adapter = adapter_for(folder, frozenset(self._tensors))
        self.shape: ModelShape = self._shape()

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __getitem__(self, name: str) -> Stored:
        try:
            return self._tensors[name]
        except KeyError:
            raise ValueError(f"{self.folder} lacks the tensor {name}") from None

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self._tensors.values())

    def _shape(self) -> ModelShape:
        adapter = self.adapter
        layer = [self[name] for name in adapter.layer_names(0).values()]
        tables = [self[adapter.prefix + adapter.token_table]]
        if adapter.position_table:
            tables.append(self[adapter.prefix + adapter.position_table])
        head = [self[adapter.head], *(self[name] for name in adapter.final_names().values())]
        return ModelShape(
            architecture=adapter.architecture,
            layers=adapter.layers,
            width=tables[0].shape[1],
            ffn=adapter.ffn,
            heads=adapter.heads,
            kv_heads=adapter.kv_heads,
            head_dim=adapter.head_dim,
            vocab=head[0].shape[0],
            context=adapter.config.max_position_embeddings,
            gated="mlp.gate_proj.weight" in adapter.layer_parts,
            tied=not adapter.untied,
            weight_type=layer[-1].dtype,
            layer_values=sum(tensor.values for tensor in layer if len(tensor.shape) > 1),
            layer_vector_values=sum(tensor.values for tensor in layer if len(tensor.shape) == 1),
            embedding_values=sum(tensor.values for tensor in tables),
            head_values=sum(tensor.values for tensor in head),
        )

    def load(self, name: str) -> torch.Tensor:
        """One tensor, as stored."""
        stored = self[name]
        raw = np.fromfile(stored.path, np.uint8, stored.nbytes, offset=stored.offset)
        return torch.from_numpy(raw).view(getattr(torch, stored.dtype)).view(stored.shape)


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"{folder} lacks the weights file {name}")
    return [folder / name for name in names]


def _header(path: Path) -> list[Stored]:
    size = path.stat().st_size
    broken = ValueError(f"{path} is no safetensors file, or cut short")
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise broken
        (length,) = struct.unpack("<Q", prefix)
        if length > min(size - 8, _MAX_HEADER):
            raise broken
        try:
            header = json.loads(file.read(length))
        except ValueError:
            raise broken from None
    tensors = []
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in _TYPES:
            continue  # masks and other integer buffers that old exports carry
        start, end = entry["data_offsets"]
        if 8 + length + end > size:
            raise ValueError(
                f"{path} is cut short: {size:,} bytes, but {name} ends at {8 + length + end:,}"
            )
        tensors.append(
            Stored(name, path, 8 + length + start, tuple(entry["shape"]), _TYPES[entry["dtype"]])
        )
    return tensors
