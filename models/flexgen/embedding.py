"""Input tables, of which a step needs a few rows: looked up in RAM, or read row by row."""

from __future__ import annotations

import os

import torch

from models.flexgen.config import BYTES, Tier
from models.flexgen.homes import Homes
from models.flexgen.memory import Memory
from models.flexgen.placement import place
from models.flexgen.weights import Stored, WeightFolder


class Table:
    """Rows by number, never compressed. On disk it is not read whole, ever."""

    def __init__(
        self, stored: Stored, tier: Tier, memory: Memory, slices: list[torch.Tensor] | None
    ) -> None:
        self._stored, self._tier, self._memory = stored, tier, memory
        self._slices = slices or []  # consecutive rows, in RAM
        self._file: int | None = None
        if self._slices:
            return
        if tier == "disk":
            self._file = os.open(stored.path, os.O_RDONLY)
        else:
            memory.arena(tier).reserve("embeddings", stored.nbytes)
            self._slices = [self._rows(0, stored.shape[0])]

    def rows(self, numbers: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Rows of `numbers` (...), as (..., D) in `dtype`."""
        unique, back = numbers.reshape(-1).unique(return_inverse=True)
        if self._file is not None:
            found = self._read(unique)
        elif len(self._slices) == 1:
            found = self._slices[0][unique]
        else:
            found = self._across(unique)
        self._memory.traffic.add(self._tier, "device", "embeddings", found.nbytes)
        return found.to(dtype)[back].view(*numbers.shape, -1)

    def _across(self, unique: torch.Tensor) -> torch.Tensor:
        found = torch.empty(len(unique), self._stored.shape[1], dtype=self._slices[0].dtype)
        start = 0
        for part in self._slices:
            inside = (unique >= start) & (unique < start + len(part))
            found[inside] = part[unique[inside] - start]
            start += len(part)
        return found

    def _read(self, unique: torch.Tensor) -> torch.Tensor:
        return torch.cat([self._rows(int(row), 1) for row in unique])

    def _rows(self, start: int, count: int) -> torch.Tensor:
        stored = self._stored
        row = stored.shape[1] * BYTES[stored.dtype]
        into = bytearray(count * row)
        view, done = memoryview(into), 0
        file = self._file if self._file is not None else os.open(stored.path, os.O_RDONLY)
        try:
            while done < len(into):
                got = os.preadv(file, [view[done:]], stored.offset + start * row + done)
                if not got:
                    raise ValueError(f"{stored.path} is cut short within {stored.name}")
                done += got
        finally:
            if file != self._file:
                os.close(file)
        values = torch.frombuffer(into, dtype=getattr(torch, stored.dtype))
        return values.view(count, stored.shape[1])

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Embedding:
    """Token table, and position table where the model has one."""

    def __init__(self, weights: WeightFolder, homes: Homes, memory: Memory) -> None:
        adapter = weights.adapter
        tokens = weights[adapter.prefix + adapter.token_table]
        tier = place([tokens.nbytes], homes.policy.weights)[0]
        slices = None
        if not adapter.untied and tier != "disk":
            heads = (item.tensor for group in homes.head for item in group.items)
            slices = [tensor for tensor in heads if tensor is not None]
        self._tokens = Table(tokens, tier, memory, slices)
        self._positions: Table | None = None
        self._offset = adapter.position_offset
        if adapter.position_table:
            self._positions = Table(
                weights[adapter.prefix + adapter.position_table], tier, memory, None
            )

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, dtype: torch.dtype
    ) -> torch.Tensor:
        """Hidden states (B, L, D) of `ids` at `positions`, both (B, L)."""
        x = self._tokens.rows(ids, dtype)
        if self._positions is not None:
            x += self._positions.rows(positions + self._offset, dtype)
        return x

    def close(self) -> None:
        """Closes files."""
        self._tokens.close()
        if self._positions is not None:
            self._positions.close()
