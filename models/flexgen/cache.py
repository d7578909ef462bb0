"""Keys and values of a block, in the tiers the policy gives them, and the two workspaces between.

A batch's sequences are split into whole sequences a tier. Those on the device are attended to in
place. The others are copied into a workspace before they are needed, or, with host attention,
attended to where they are (sec. 4.3); only the new position is carried back.

A compressed cache holds keys and values turned by a Hadamard matrix: queries are turned alike and
outputs back, so nothing but the rounding changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from models.flexgen import attention
from models.flexgen.config import BYTES, ModelShape, Policy, Tier
from models.flexgen.files import Scratch
from models.flexgen.memory import Memory
from models.flexgen.placement import sequences
from models.flexgen.quantization import Packed, dequantize, hadamard, quantize
from models.flexgen.tiers import Buffer, pages

_DECODED = 1 << 20  # values decoded at once from a compressed cache


@dataclass
class Part:
    """The sequences of a batch that share a home."""

    tier: Tier
    rows: slice  # of the batch
    place: slice  # of the workspace; empty for what is attended to at home
    home: torch.Tensor | None  # (l, 2, b, kv, S, d), or records (l, S, bytes); None on disk
    file: Scratch | None
    record: int  # bytes of one position of one layer


class BatchCache:
    """Cache of one batch of a block."""

    def __init__(
        self,
        shape: ModelShape,
        policy: Policy,
        memory: Memory,
        *,
        count: int,
        positions: int,
        pads: torch.Tensor | None,
    ) -> None:
        self._shape, self._policy, self._memory = shape, policy, memory
        self._positions, self._pads = positions, pads
        self._type = getattr(torch, policy.compute)
        self._turn = hadamard(shape.head_dim, self._type) if policy.compress_cache else None
        self.parts: list[Part] = []
        self._booked: list[tuple[Tier, int]] = []
        try:
            self.moved = self._split(count)  # sequences that pass through a workspace
        except BaseException:
            self.close()
            raise

    def _split(self, count: int) -> int:
        """Makes the parts of `count` sequences; how many of them are moved."""
        policy = self._policy
        row = place = 0
        for tier, size in sequences(count, policy.cache).items():
            if size:
                moved = (
                    policy.compress_cache
                    or tier == "disk"
                    or (tier == "host" and not policy.host_attention)
                )
                self.parts.append(self._part(tier, slice(row, row + size), place if moved else -1))
                row += size
                place += size if moved else 0
        return place

    def _part(self, tier: Tier, rows: slice, place: int) -> Part:
        shape, policy = self._shape, self._policy
        count = rows.stop - rows.start
        record = count * shape.position_bytes(policy)
        size = shape.layers * self._positions * record
        self._memory.arena(tier).reserve("cache", size)
        self._booked.append((tier, size))
        home, file = None, None
        if tier == "disk":
            file = self._memory.scratch(shape.layers * pages(self._positions * record))
        elif policy.compress_cache:
            home = torch.empty(shape.layers, self._positions, record, dtype=torch.uint8)
        else:
            dims = (shape.layers, 2, count, shape.kv_heads, self._positions, shape.head_dim)
            home = torch.empty(dims, dtype=self._type)
        inside = slice(place, place + count) if place >= 0 else slice(0, 0)
        return Part(tier, rows, inside, home, file, record)

    def close(self) -> None:
        """Gives memory and files back."""
        for tier, size in self._booked:
            self._memory.arena(tier).release("cache", size)
        for part in self.parts:
            part.home = None
            if part.file is not None:
                part.file.close()
        self._booked.clear()

    def load(self, layer: int, past: int, workspace: torch.Tensor) -> None:
        """Copies the first `past` positions of the moved sequences into the workspace."""
        for part in self.parts:
            if part.place.stop == 0 or not past:
                continue
            into = workspace[:, part.place, :, :past]  # (2, b, kv, past, d)
            if self._policy.compress_cache:
                self._decode(self._records(part, layer, past), into)
            elif part.home is not None:
                into.copy_(part.home[layer, :, :, :, :past])
            else:
                values = self._records(part, layer, past).view(-1).view(self._type)
                into.copy_(self._by_position(values, past, into).permute(1, 2, 3, 0, 4))
            self._count(part, past, reading=True)

    def store(self, layer: int, start: int, stop: int, workspace: torch.Tensor) -> None:
        """Copies positions [start, stop) of the moved sequences from the workspace home."""
        for part in self.parts:
            if part.place.stop == 0:
                continue
            new = workspace[:, part.place, :, start:stop]  # (2, b, kv, new, d)
            if part.home is not None and not self._policy.compress_cache:
                part.home[layer, :, :, :, start:stop].copy_(new)
            else:
                ordered = new.permute(3, 0, 1, 2, 4)  # (new, 2, b, kv, d): a record a position
                if self._policy.compress_cache:
                    records = self._encode(ordered)
                else:
                    records = ordered.contiguous().view(stop - start, -1).view(torch.uint8)
                self._put(part, layer, start, records)
            self._count(part, stop - start, reading=False)

    def keep(
        self,
        layer: int,
        start: int,
        rows: slice,
        new: tuple[torch.Tensor, torch.Tensor],
        workspace: torch.Tensor,
    ) -> None:
        """Writes new keys and values, each (b, L, kv, d), of some rows of the batch.

        At home where attention is done there, else into the workspace.
        """
        stop = start + new[0].shape[1]
        if self._turn is not None:
            new = (new[0] @ self._turn, new[1] @ self._turn)
        for part in self.parts:
            first, last = max(rows.start, part.rows.start), min(rows.stop, part.rows.stop)
            if first >= last:
                continue
            target = self._attended(part, layer, workspace)
            into = slice(first - part.rows.start, last - part.rows.start)
            of = slice(first - rows.start, last - rows.start)
            if part.tier != "device" and self._policy.host_attention:
                share = part.record * (last - first) // (part.rows.stop - part.rows.start)
                self._memory.traffic.add("device", "host", "cache", (stop - start) * share)
            for which, values in enumerate(new):
                target[which, into, :, start:stop].copy_(values[of].transpose(1, 2))

    def _attended(self, part: Part, layer: int, workspace: torch.Tensor) -> torch.Tensor:
        """Where attention finds a part's keys and values: (2, b, kv, S, d)."""
        if part.place.stop:
            return workspace[:, part.place]
        assert part.home is not None
        return part.home[layer]

    def attend(
        self, layer: int, past: int, q: torch.Tensor, workspace: torch.Tensor
    ) -> torch.Tensor:
        """Attention of one new position over past + 1; q (B, 1, heads, d) to (B, 1, heads * d)."""
        outputs = []
        if self._turn is not None:
            q = q @ self._turn
        for part in self.parts:
            kv = self._attended(part, layer, workspace)[:, :, :, : past + 1]
            pads = None if self._pads is None else self._pads[part.rows]
            if self._policy.sparsity < 1:
                y = attention.decode_sparse(q[part.rows], kv[0], kv[1], pads, self._policy.sparsity)
            else:
                y = attention.decode(q[part.rows], kv[0], kv[1], pads)
            if part.tier != "device" and self._policy.host_attention:
                self._memory.traffic.add("device", "host", "attention", q[part.rows].nbytes)
                self._memory.traffic.add("host", "device", "attention", y.nbytes)
            outputs.append(y)
        y = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
        return y if self._turn is None else (y.view(q.shape) @ self._turn).view(y.shape)

    def _count(self, part: Part, positions: int, reading: bool) -> None:
        work: Tier = "host" if self._policy.host_attention and part.tier == "disk" else "device"
        source, target = (part.tier, work) if reading else (work, part.tier)
        self._memory.traffic.add(source, target, "cache", positions * part.record)

    def _records(self, part: Part, layer: int, past: int) -> torch.Tensor:
        if part.home is not None:
            return part.home[layer, :past]
        assert part.file is not None
        offset = layer * pages(self._positions * part.record)
        return part.file.read(offset, past * part.record, self._staging()).view(past, -1)

    def _put(self, part: Part, layer: int, start: int, records: torch.Tensor) -> None:
        if part.home is not None:
            part.home[layer, start : start + records.shape[0]].copy_(records)
        else:
            assert part.file is not None
            offset = layer * pages(self._positions * part.record) + start * part.record
            part.file.write(offset, records)

    def _staging(self) -> Buffer:
        buffer = self._memory.staging
        assert buffer is not None
        return buffer

    def _by_position(self, values: torch.Tensor, past: int, into: torch.Tensor) -> torch.Tensor:
        _, b, kv, _, d = into.shape
        return values.view(past, 2, b, kv, d)

    def _encode(self, ordered: torch.Tensor) -> torch.Tensor:
        """(new, 2, b, kv, d) to records (new, bytes): codes, then steps, then minima."""
        new, _, b, kv, d = ordered.shape
        group = self._policy.group
        rows = ordered.reshape(new * 2 * b, kv * d)
        fill = -(kv * d) % group
        if fill:
            rows = torch.cat([rows, rows[:, -1:].expand(-1, fill)], dim=1)
        packed = quantize(rows, group)
        columns = (packed.codes, packed.step, packed.minimum)
        return torch.cat([part.view(new, -1).view(torch.uint8) for part in columns], dim=1)

    def _decode(self, records: torch.Tensor, into: torch.Tensor) -> None:
        """Records (past, bytes) to the workspace (2, b, kv, past, d), some positions at a time."""
        _, b, kv, past, d = into.shape
        group = self._policy.group
        filled = -(-kv * d // group) * group
        groups = 2 * b * filled // group  # a position
        codes = groups * group // 2
        at_once = max(1, _DECODED // (2 * b * filled))
        for start in range(0, past, at_once):
            some = records[start : start + at_once]
            count = some.shape[0]
            packed = Packed(
                some[:, :codes].reshape(-1, group // 2),
                some[:, codes : codes + 2 * groups].contiguous().view(torch.float16).view(-1),
                some[:, codes + 2 * groups :].contiguous().view(torch.float16).view(-1),
                (count, 2, b, filled),
            )
            values = dequantize(packed, torch.empty(packed.shape, dtype=self._type))
            values = values[..., : kv * d].reshape(count, 2, b, kv, d)
            into[:, :, :, start : start + count].copy_(values.permute(1, 2, 3, 0, 4))


def workspace_bytes(shape: ModelShape, policy: Policy, moved: int, positions: int) -> int:
    """Bytes of one workspace for `moved` sequences of `positions`."""
    return 2 * moved * positions * shape.kv_width * BYTES[policy.compute]


def round_trip(values: torch.Tensor, group: int) -> torch.Tensor:
    """Keys or values (b, L, kv, d) as they come out of a compressed cache."""
    turn = hadamard(values.shape[-1], values.dtype)
    wide = (values @ turn).flatten(2)
    fill = -wide.shape[-1] % group
    if fill:
        wide = torch.cat([wide, wide[..., -1:].expand(*wide.shape[:-1], fill)], dim=-1)
    back = dequantize(quantize(wide, group), torch.empty(wide.shape, dtype=values.dtype))
    return back[..., : values[0, 0].numel()].reshape(values.shape) @ turn
