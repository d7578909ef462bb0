"""Where every tensor of the model lives, and how it gets from there into a device buffer."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from models.flexgen.config import BYTES, Policy, Tier, compressed_bytes
from models.flexgen.files import Files
from models.flexgen.memory import Memory
from models.flexgen.placement import Placed, compare, place
from models.flexgen.quantization import Packed, quantize
from models.flexgen.tiers import Buffer
from models.flexgen.weights import Stored, WeightFolder

_CHUNK = 1 << 20  # values quantized at once: some 15 MB pass by on the way


@dataclass
class Item:
    """One tensor (or some rows of the output matrix) of a layer."""

    key: str  # its short name in the adapter's maths
    stored: Stored
    tier: Tier
    compressed: bool
    tensor: torch.Tensor | None = None  # in the compute type on the device, as stored on the host
    packed: Packed | None = None  # in RAM
    spool: Path | None = None  # compressed, on disk: codes, steps, minima

    def size(self, policy: Policy) -> int:
        """Bytes it takes where it lives."""
        if self.compressed:
            return compressed_bytes(self.stored.values, policy.group)
        if self.tier == "device":
            return self.stored.values * BYTES[policy.compute]
        return self.stored.nbytes


@dataclass
class Group:
    """What is fetched together: a layer, or a slice of the output matrix."""

    items: list[Item] = field(default_factory=list)

    def moved(self) -> list[Item]:
        """Items that need room in a device buffer."""
        return [item for item in self.items if item.tensor is None or item.tier != "device"]


class Homes:
    """Places all weights and fills the tiers in RAM; what stays on disk is not touched."""

    def __init__(self, weights: WeightFolder, policy: Policy, memory: Memory) -> None:
        self.policy = policy
        self._weights, self._memory = weights, memory
        self.layers = [self._layer(index) for index in range(weights.shape.layers)]
        self.final = self._final()
        self.head = self._head()
        for item in self.items():
            arena = memory.arena(item.tier)
            arena.reserve("weights", item.size(policy))
        for item in self.items():
            self._settle(item)

    @property
    def groups(self) -> list[Group]:
        """All groups, in the order of computation."""
        return [*self.layers, *self.head]

    @property
    def final_weights(self) -> dict[str, torch.Tensor]:
        """The last norm, in the compute type."""
        return {item.key: item.tensor for item in self.final.items if item.tensor is not None}

    def items(self) -> Iterator[Item]:
        """Every tensor of every group, and the last norm."""
        yield from self.final.items
        for group in self.groups:
            yield from group.items

    def bytes_by_tier(self) -> dict[Tier, int]:
        """Bytes of all layers and the output matrix in every tier, as the file or 4 bits has them.

        The last norm, always on the device, is left out.
        """
        sizes: dict[Tier, int] = {}
        for group in self.groups:
            for item in group.items:
                size = self._stored_size(item.stored) if item.compressed else item.stored.nbytes
                sizes[item.tier] = sizes.get(item.tier, 0) + size
        return sizes

    def placement(self) -> list[Placed]:
        """Asked and achieved shares of the weights."""
        return compare("weights", self.policy.weights, self.bytes_by_tier())

    def _layer(self, index: int) -> Group:
        named = {
            key: self._weights[name]
            for key, name in self._weights.adapter.layer_names(index).items()
        }
        sizes = [self._stored_size(stored) for stored in named.values()]
        tiers = place(sizes, self.policy.weights)
        return Group(
            [
                Item(key, stored, tier, self._compressed(stored))
                for (key, stored), tier in zip(named.items(), tiers, strict=True)
            ]
        )

    def _final(self) -> Group:
        # A few thousand values that every token needs: always on the device.
        names = self._weights.adapter.final_names()
        return Group(
            [Item(key, self._weights[name], "device", False) for key, name in names.items()]
        )

    def _head(self) -> list[Group]:
        """The output matrix in slices of whole rows, each no larger than a layer; never in 4 bits.

        Its errors go into the logits unsoftened, and where it is tied it is the input table too.
        """
        whole = self._weights[self._weights.adapter.head]
        rows, width = whole.shape
        layer = self._weights.shape.layer_values
        step = max(1, layer // width)
        tier = place([whole.nbytes], self.policy.weights)[0]
        groups = []
        for start in range(0, rows, step):
            count = min(step, rows - start)
            offset = whole.offset + start * width * BYTES[whole.dtype]
            part = replace(
                whole, name=f"{whole.name}[{start}]", offset=offset, shape=(count, width)
            )
            groups.append(Group([Item("head", part, tier, compressed=False)]))
        return groups

    def _compressed(self, stored: Stored) -> bool:
        return self.policy.compress_weights and len(stored.shape) > 1

    def _stored_size(self, stored: Stored) -> int:
        if self._compressed(stored):
            return compressed_bytes(stored.values, self.policy.group)
        return stored.nbytes

    def _settle(self, item: Item) -> None:
        if item.compressed:
            if item.tier == "disk":
                item.spool = self._spooled(item.stored)
            else:
                parts = list(self._quantized(item.stored))
                item.packed = Packed(
                    torch.cat([part.codes for part in parts]),
                    torch.cat([part.step for part in parts]),
                    torch.cat([part.minimum for part in parts]),
                    item.stored.shape,
                )
        elif item.tier != "disk":
            wanted = self.policy.compute if item.tier == "device" else item.stored.dtype
            item.tensor = torch.empty(item.stored.shape, dtype=getattr(torch, wanted))
            flat, done = item.tensor.view(-1), 0
            for values in _pieces(item.stored, self._memory.files):
                flat[done : done + values.numel()].copy_(values)
                done += values.numel()

    def _quantized(self, stored: Stored) -> Iterator[Packed]:
        for values in _pieces(stored, self._memory.files):
            yield quantize(values, self.policy.group)

    def _spooled(self, stored: Stored) -> Path:
        """The compressed tensor as a file, made once a model and found again later."""
        status = stored.path.stat()
        identity = [str(stored.path.resolve()), status.st_size, status.st_mtime_ns, stored.name]
        identity += [stored.offset, list(stored.shape), self.policy.group, 1]  # 1: this layout
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
        folder = self._memory.budgets.disk_folder / "weights-4bit"
        path = folder / name
        if not path.exists():
            folder.mkdir(exist_ok=True)
            temporary = folder / f".{name}.{os.getpid()}"
            parts = list(self._quantized(stored))
            try:
                with temporary.open("wb") as file:
                    for column in ("codes", "step", "minimum"):
                        for part in parts:
                            file.write(memoryview(getattr(part, column).numpy()).cast("B"))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(path)
            except OSError as error:
                raise ValueError(f"{folder} cannot hold 4-bit weights: {error.strerror}") from None
            finally:
                temporary.unlink(missing_ok=True)
        return path


def _pieces(stored: Stored, files: Files) -> Iterator[torch.Tensor]:
    """The stored values, flat, a piece at a time; each is overwritten by the next."""
    size = BYTES[stored.dtype]
    buffer = Buffer(min(_CHUNK, stored.values) * size + 2 * 4096)
    for start in range(0, stored.values, _CHUNK):
        count = min(_CHUNK, stored.values - start)
        raw = files.read(stored.path, stored.offset + start * size, count * size, buffer)
        yield typed(raw, stored.dtype)


def typed(raw: torch.Tensor, dtype: str) -> torch.Tensor:
    """Bytes as values; copied first where a file put them at an odd address."""
    kind = getattr(torch, dtype)
    if raw.storage_offset() % kind.itemsize:
        raw = raw.clone()
    return raw.view(kind)
