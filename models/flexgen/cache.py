"""Keys and values of a block, in the tiers the policy gives them, and the two workspaces between.

A batch's sequences are split into whole sequences a tier. Those on the device are attended to in
place. The others are copied into a workspace before they are needed, or, with host attention,
attended to where they are (sec. 4.3); only the new position is carried back.

What moves is kept position by position. A compressed cache keeps every full group of positions in
4 bits, each channel of each head with a step and a minimum of its own, because outliers keep to few
channels. As they are it keeps the latest positions, which do not fill a group yet, and the first,
which all the others attend to and whose values are like no others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from models.flexgen import attention, groups
from models.flexgen.config import BYTES, ModelShape, Policy, Tier
from models.flexgen.files import Scratch
from models.flexgen.memory import Memory
from models.flexgen.placement import sequences
from models.flexgen.tiers import PAGE


@dataclass
class Part:
    """The sequences of a batch that share a home."""

    tier: Tier
    rows: slice  # of the batch
    place: slice  # of the workspace; empty for what is attended to at home
    home: torch.Tensor | None  # (l, 2, b, kv, S, d) where attended to, else (l, bytes)
    file: Scratch | None  # instead of a home, on disk: the same bytes, each layer's from a page on
    plain: int  # where a layer's positions that are not in 4 bits begin: after its groups [bytes]
    layer: int  # from one layer to the next [bytes]

    @property
    def count(self) -> int:
        """Sequences."""
        return self.rows.stop - self.rows.start


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
        self._group = policy.group if policy.compress_cache else positions + 1  # never full
        self._first = int(positions >= self._group)  # positions kept before the latest
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
        size = shape.layers * count * shape.room_bytes(policy, self._positions)
        self._memory.arena(tier).reserve("cache", size)
        self._booked.append((tier, size))
        unit = PAGE if tier == "disk" else 1
        rounded = self._positions // self._group * count * shape.group_bytes(policy)
        plain = size // shape.layers - rounded
        begin = -(-rounded // unit) * unit
        layer = begin + -(-plain // unit) * unit
        home, file = None, None
        if tier == "disk":
            file = self._memory.scratch(shape.layers * layer)
        elif place >= 0:
            home = torch.empty(shape.layers, layer, dtype=torch.uint8)
        else:
            dims = (shape.layers, 2, count, shape.kv_heads, self._positions, shape.head_dim)
            home = torch.empty(dims, dtype=self._type)
        inside = slice(place, place + count) if place >= 0 else slice(0, 0)
        return Part(tier, rows, inside, home, file, begin, layer)

    @property
    def staging_bytes(self) -> int:
        """Most bytes read from disk at once."""
        return max(
            (max(p.plain, p.layer - p.plain) for p in self.parts if p.file is not None), default=0
        )

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
        shape, policy = self._shape, self._policy
        full, rest = divmod(past, self._group)
        for part in self.parts:
            if part.place.stop == 0 or not past:
                continue
            into = workspace[:, part.place, :, :past]  # (2, b, kv, past, d)
            if full:
                size = full * part.count * shape.group_bytes(policy)
                groups.decode(self._kept(part, layer, 0, size).view(full, -1), self._group, into)
            # One read gives the very first position, needed beside groups only, and the latest.
            skipped = 0 if full else self._first
            slots = self._first - skipped + rest
            if slots:
                position = part.count * shape.position_bytes(policy)
                offset = part.plain + skipped * position
                plain = self._kept(part, layer, offset, slots * position).view(self._type)
                plain = plain.view(slots, 2, part.count, shape.kv_heads, shape.head_dim)
                into[:, :, :, past - rest :].copy_(plain[slots - rest :].permute(1, 2, 3, 0, 4))
                if full:
                    groups.put_first_positions(into, self._before(part), plain[0].unsqueeze(3))
            self._count(part, shape.cached_bytes(policy, past), reading=True)

    def store(self, layer: int, start: int, stop: int, workspace: torch.Tensor) -> None:
        """Copies positions [start, stop) of the moved sequences from the workspace home.

        A group goes when it is full: its first positions are in the workspace, like all the past.
        """
        shape, policy, group = self._shape, self._policy, self._group
        before, full = start // group, stop // group
        for part in self.parts:
            if part.place.stop == 0:
                continue
            values = workspace[:, part.place]  # (2, b, kv, S, d)
            position = part.count * shape.position_bytes(policy)
            if full > before:
                unlike = self._before(part) + 1 - before * group
                new = values[:, :, :, before * group : full * group]
                offset = before * part.count * shape.group_bytes(policy)
                self._keep(part, layer, offset, groups.encode(new, group, unlike))
            if full and not before:
                first = groups.first_positions(values, self._before(part))
                self._keep(part, layer, part.plain, first)
            since = max(start, full * group)
            if since < stop:
                new = values[:, :, :, since:stop].permute(3, 0, 1, 2, 4)
                slot = self._first + since - full * group
                self._keep(part, layer, part.plain + slot * position, new)
            self._count(part, shape.stored_bytes(policy, start, stop), reading=False)

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
        for part in self.parts:
            first, last = max(rows.start, part.rows.start), min(rows.stop, part.rows.stop)
            if first >= last:
                continue
            target = self._attended(part, layer, workspace)
            into = slice(first - part.rows.start, last - part.rows.start)
            of = slice(first - rows.start, last - rows.start)
            if part.tier != "device" and self._policy.host_attention:
                position = (last - first) * self._shape.position_bytes(self._policy)
                self._memory.traffic.add("device", "host", "cache", (stop - start) * position)
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
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]

    def _count(self, part: Part, size: int, reading: bool) -> None:
        """Counts `size` bytes a sequence."""
        work: Tier = "host" if self._policy.host_attention else "device"
        source, target = (part.tier, work) if reading else (work, part.tier)
        self._memory.traffic.add(source, target, "cache", size * part.count)

    def _kept(self, part: Part, layer: int, offset: int, size: int) -> torch.Tensor:
        """Bytes of a layer at home."""
        if part.home is not None:
            return part.home[layer, offset : offset + size]
        assert part.file is not None
        assert self._memory.staging is not None
        return part.file.read(layer * part.layer + offset, size, self._memory.staging)

    def _keep(self, part: Part, layer: int, offset: int, data: torch.Tensor) -> None:
        raw = data.contiguous().view(-1).view(torch.uint8)
        if part.home is not None:
            part.home[layer, offset : offset + raw.numel()].copy_(raw)
        else:
            assert part.file is not None
            part.file.write(layer * part.layer + offset, raw)

    def _before(self, part: Part) -> torch.Tensor:
        """Padding positions before each of a part's sequences (b,)."""
        if self._pads is None:
            return torch.zeros(part.count, dtype=torch.long)
        return self._pads[part.rows]


def workspace_bytes(shape: ModelShape, policy: Policy, moved: int, positions: int) -> int:
    """Bytes of one workspace for `moved` sequences of `positions`."""
    return 2 * moved * positions * shape.kv_width * BYTES[policy.compute]
