"""Hidden states of a batch between two layers, in the tiers the policy gives them."""

from __future__ import annotations

import torch

from models.flexgen.config import BYTES, ModelShape, Policy, Tier
from models.flexgen.files import Scratch
from models.flexgen.memory import Memory
from models.flexgen.placement import sequences
from models.flexgen.tiers import Buffer, pages


class HiddenStore:
    """Rows of (B, L, D) by tier; what lies on the device is kept as it is."""

    def __init__(
        self, shape: ModelShape, policy: Policy, memory: Memory, count: int, positions: int
    ) -> None:
        self._memory = memory
        self._width = shape.width
        self._type = getattr(torch, policy.compute)
        self._counts = sequences(count, policy.activations)
        row = positions * shape.width * BYTES[policy.compute]
        self._booked: list[tuple[Tier, str, int]] = []
        self._kept: torch.Tensor | None = None
        self._host = torch.empty(0, dtype=self._type)
        self._file: Scratch | None = None
        try:
            self._take(row)
        except BaseException:
            self.close()
            raise

    def _take(self, row: int) -> None:
        """Books and allocates; `row` is the bytes of one sequence."""
        memory = self._memory
        for tier, size in self._counts.items():
            self._book(tier, "activations", size * row)
        if self._counts["host"]:
            self._host = torch.empty(
                self._counts["host"] * row // self._type.itemsize, dtype=self._type
            )
        if self._counts["disk"]:
            size = self._counts["disk"] * row
            self._file = memory.scratch(size)
            self._book("host", "activation staging", pages(size))
            self._buffer = Buffer(size)

    def _book(self, tier: Tier, purpose: str, size: int) -> None:
        self._memory.arena(tier).reserve(purpose, size)
        self._booked.append((tier, purpose, size))

    def store(self, x: torch.Tensor) -> None:
        """Puts x (B, L, D) where it lives: device rows first, then host, then disk."""
        device, host = self._counts["device"], self._counts["host"]
        self._kept = x[:device]
        self._length = x.shape[1]
        if host:
            part = x[device : device + host]
            self._host[: part.numel()].copy_(part.reshape(-1))
            self._memory.traffic.add("device", "host", "activations", part.nbytes)
        if self._file is not None:
            part = x[device + host :].contiguous()
            self._file.write(0, part.view(-1).view(torch.uint8))
            self._memory.traffic.add("device", "disk", "activations", part.nbytes)

    def load(self) -> torch.Tensor:
        """What was stored."""
        assert self._kept is not None
        parts = [self._kept] if self._counts["device"] else []
        dims = (self._length, self._width)
        for tier in ("host", "disk"):
            count = self._counts[tier]
            size = count * self._length * self._width * self._type.itemsize
            if not count:
                continue
            if tier == "host":
                part = self._host[: size // self._type.itemsize].clone()
            else:
                assert self._file is not None
                part = self._file.read(0, size, self._buffer).view(self._type).clone()
            parts.append(part.view(count, *dims))
            self._memory.traffic.add(tier, "device", "activations", size)
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def close(self) -> None:
        """Gives memory and files back."""
        for tier, purpose, size in self._booked:
            self._memory.arena(tier).release(purpose, size)
        self._booked.clear()
        self._kept = None
        if self._file is not None:
            self._file.close()
