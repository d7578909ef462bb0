"""Fetches a layer's weights into one of two device buffers while the other is computed with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import torch

from models.flexgen.config import BYTES, Policy, compressed_bytes
from models.flexgen.homes import Group, Homes, Item, typed
from models.flexgen.lanes import Lanes
from models.flexgen.memory import Memory
from models.flexgen.quantization import Packed, dequantize
from models.flexgen.tiers import PAGE, Buffer, pages

LANE = "weights"
THREADS = 2  # one reads while the other decodes
_RUN = 32 << 20  # bytes read by one task
_LINE = 64  # tensors begin on a cache line


@dataclass(frozen=True)
class Move:
    """One task of a layer's load: which items, and where in the buffer they go."""

    items: tuple[Item, ...]
    at: int
    size: int  # room in the buffer, bytes
    direct: bool  # read in place: the file holds the very type that is computed in


class Streamer:
    """Weights by group, double-buffered."""

    def __init__(self, homes: Homes, policy: Policy, memory: Memory, lanes: Lanes) -> None:
        self._policy, self._memory, self._lanes = policy, memory, lanes
        self._type = getattr(torch, policy.compute)
        self._groups = homes.groups
        self._moves = [self._planned(group) for group in self._groups]
        room = max(moves[-1].at + moves[-1].size if moves else 0 for moves in self._moves)
        staging = max((self._staged(move) for moves in self._moves for move in moves), default=0)
        self.buffer_bytes = 2 * room
        memory.arena("device").reserve("weight buffers", self.buffer_bytes)
        memory.arena("host").reserve("weight staging", staging * THREADS)
        self._buffers = [Buffer(room), Buffer(room)] if room else []
        self._staging = threading.local()
        self._staging_bytes = staging
        self._turn = 0  # loads begun
        self._pending: list[Future[dict[str, torch.Tensor]]] = []
        self._current: dict[str, torch.Tensor] = {}

    def start(self, group: int) -> None:
        """Begins to load a group into the buffer that is free."""
        buffer = self._buffers[self._turn % 2] if self._buffers else None
        self._turn += 1
        resident = {
            item.key: item.tensor
            for item in self._groups[group].items
            if item.tensor is not None and item.tier == "device"
        }
        ready: Future[dict[str, torch.Tensor]] = Future()
        ready.set_result(resident)
        self._pending = [ready]
        for move in self._moves[group]:
            assert buffer is not None
            self._pending.append(self._lanes.submit(LANE, self._do(move), move, buffer))

    def finish(self) -> None:
        """Waits for the load that was begun and makes it current."""
        if self._pending:
            self._current = {
                key: value for future in self._pending for key, value in future.result().items()
            }
            self._pending = []

    def drain(self) -> None:
        """Waits for a load that nobody will use."""
        for future in self._pending:
            future.exception()
        self._pending = []

    @property
    def current(self) -> dict[str, torch.Tensor]:
        """Tensors of the group loaded last, in the compute type."""
        return self._current

    def _planned(self, group: Group) -> list[Move]:
        moves: list[Move] = []
        at = 0
        straight = [item for item in group.moved() if self._straight(item)]
        for run in _runs(straight):
            size = sum(item.stored.nbytes for item in run)
            room = pages(size) + 2 * PAGE  # whole pages around both ends
            moves.append(Move(tuple(run), at, room, True))
            at += room
        for item in group.moved():
            if not self._straight(item):
                room = item.stored.values * BYTES[self._policy.compute]
                room = -(-room // _LINE) * _LINE
                moves.append(Move((item,), at, room, False))
                at += room
        return moves

    def _straight(self, item: Item) -> bool:
        raw = item.tier == "disk" and not item.compressed
        return raw and item.stored.dtype == self._policy.compute

    def _staged(self, move: Move) -> int:
        """Bytes that pass through a thread's own buffer on the way."""
        (item,) = move.items[:1]
        if move.direct or item.tier != "disk":
            return 0
        if item.compressed:
            return pages(compressed_bytes(item.stored.values, self._policy.group)) + PAGE
        return pages(min(item.stored.nbytes, _RUN)) + 2 * PAGE

    def _do(self, move: Move) -> Callable[[Move, Buffer], dict[str, torch.Tensor]]:
        return self._read if move.direct else self._convert

    def _read(self, move: Move, buffer: Buffer) -> dict[str, torch.Tensor]:
        first, last = move.items[0].stored, move.items[-1].stored
        size = last.offset + last.nbytes - first.offset
        raw = self._memory.files.read(first.path, first.offset, size, buffer, move.at)
        self._memory.traffic.add("disk", "device", "weights", size)
        tensors = {}
        for item in move.items:
            start = item.stored.offset - first.offset
            values = typed(raw[start : start + item.stored.nbytes], item.stored.dtype)
            tensors[item.key] = values.view(item.stored.shape)
        return tensors

    def _convert(self, move: Move, buffer: Buffer) -> dict[str, torch.Tensor]:
        (item,) = move.items
        size = item.stored.values * BYTES[self._policy.compute]
        out = buffer.bytes[move.at : move.at + size].view(self._type).view(item.stored.shape)
        if item.compressed:
            dequantize(item.packed or self._from_spool(item), out)
        elif item.tensor is not None:
            out.copy_(item.tensor)
        else:
            flat, done = out.view(-1), 0
            unit = BYTES[item.stored.dtype]
            while done < item.stored.nbytes:
                count = min(_RUN, item.stored.nbytes - done)
                raw = self._memory.files.read(
                    item.stored.path, item.stored.offset + done, count, self._own_staging()
                )
                flat[done // unit : (done + count) // unit].copy_(typed(raw, item.stored.dtype))
                done += count
        moved = item.size(self._policy)
        self._memory.traffic.add(item.tier, "device", "weights", moved)
        return {item.key: out}

    def _from_spool(self, item: Item) -> Packed:
        assert item.spool is not None
        group = self._policy.group
        groups = -(-item.stored.values // group)
        size = compressed_bytes(item.stored.values, group)
        raw = self._memory.files.read(item.spool, 0, size, self._own_staging())
        codes = groups * group // 2
        return Packed(
            raw[:codes].view(groups, group // 2),
            raw[codes : codes + 2 * groups].view(torch.float16),
            raw[codes + 2 * groups :].view(torch.float16),
            item.stored.shape,
        )

    def _own_staging(self) -> Buffer:
        if not hasattr(self._staging, "buffer"):
            self._staging.buffer = Buffer(self._staging_bytes)
        return self._staging.buffer


def _runs(items: list[Item]) -> list[list[Item]]:
    """Neighbours in a file, in runs that are read at once."""
    runs: list[list[Item]] = []
    size = 0
    for item in sorted(items, key=lambda item: (item.stored.path, item.stored.offset)):
        last = runs[-1][-1].stored if runs else None
        if (
            last is not None
            and last.path == item.stored.path
            and last.offset + last.nbytes == item.stored.offset
            and size + item.stored.nbytes <= _RUN
        ):
            runs[-1].append(item)
            size += item.stored.nbytes
        else:
            runs.append([item])
            size = item.stored.nbytes
    return runs
