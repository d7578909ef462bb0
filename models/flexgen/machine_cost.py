"""The engine's own cost model on the machine at hand: what a block does, times what that costs.

Where the published equations (models/flexgen/cost.py) have one bandwidth a link and one rate a
phase, this one counts the work that the engine really does, in nine kinds, and takes the price of
each from calibration (models/flexgen/calibration.py). What it adds to the paper:

- 4-bit weights and cache with their metadata, and the time to decode them;
- the embedding and the output matrix, which is read every token as a layer is;
- a price a matrix product beside the price a row, so that small batches are slow (calibration is by
  model shape, which makes it the overhead of a step as well);
- the overlap that is really achieved between disk and processor;
- the buffers that the engine books, beside what is at home in a tier.

Disk and processor are the two resources. One token of one layer takes
max(cpu + (1 - overlap) disk, disk + (1 - overlap) cpu); without overlap, their sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from models.flexgen.cache_cost import Batch, Moved, loaded, room, stored
from models.flexgen.config import BYTES, ModelShape, Policy
from models.flexgen.cost import SHARES, Affine, Costs, Phase, Shares

_ROWS = 1024  # positions a layer computes at once in prefill; see models/flexgen/block.py
_PAGE = 4096
_MOVES = 16  # tensors of a layer, each of which may begin on a page of its own
_READ = 32 << 20  # bytes of a converted tensor that are read at once


@dataclass(frozen=True)
class Prices:
    """Seconds a unit of every kind of work, and how well the two resources overlap."""

    read: float  # a byte from disk
    write: float  # a byte to disk
    copy: float  # a byte from or to the host tier, conversion to the compute type included
    dequantize: float  # a 4-bit value
    product: float  # a weight and row of a matrix product
    weight: float  # a weight of a matrix product, however many rows; overhead of a step included
    attention: float  # a cached value attended to in decode
    pairs: float  # a value of query times key and weight times value in prefill
    logits: float  # a logit
    overlap: float  # [0..1]; 1: the shorter of disk and processor costs nothing

    DISK: ClassVar = ("read", "write")

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The kinds of work, in order."""
        return tuple(f.name for f in fields(cls) if f.name != "overlap")


Work = Mapping[str, Affine]
"""Amount of each kind of work, as a function of the placement."""


def block_costs(
    shape: ModelShape,
    policy: Policy,
    batches: Sequence[Batch],
    tokens: int,
    prices: Prices,
    *,
    layers: Shares = SHARES,
    head: Shares = SHARES,
    joint: bool = True,
) -> Costs:
    """Time and memory of one block, given all of `policy` but its shares.

    layers, head: shares of the layers' weights, cache and activations, and of the output matrix;
        the unit vectors of SHARES leave them free, constants fix them (see `at`).
    joint: device and host are parts of the same memory, whose cap is named "memory".
    """
    block = _Block(shape, policy, batches, layers, head)
    prefill = block.prefill()
    phases = [_phase("prefill", 1, prefill, policy, prices)]
    if tokens > 1:
        decode = block.decode(tokens)
        phases.append(_phase("decode", tokens - 1, decode, policy, prices))
    requests = sum(batch.count for batch in batches)
    return Costs(
        model="calibrated",
        requests=requests,
        generated=requests * tokens,
        phases=tuple(phases),
        memory=block.memory(tokens, joint),
        fixed={"hd": 0.0},
    )


def at(shares: Mapping[str, float]) -> Shares:
    """Given shares [0..1] as constants."""
    one = SHARES.one
    return Shares(**{name: one * shares[name] for name in Shares._fields[:-1]}, one=one)


def _phase(name: str, repeats: float, work: Work, policy: Policy, prices: Prices) -> Phase:
    parts = {kind: work[kind] * getattr(prices, kind) for kind in Prices.kinds()}
    disk: Affine = sum((parts[kind] for kind in Prices.DISK), np.zeros(10))
    cpu: Affine = sum((parts[k] for k in parts if k not in Prices.DISK), np.zeros(10))
    hidden = prices.overlap if policy.overlap else 0.0
    bounds = {"cpu": cpu + (1 - hidden) * disk, "disk": disk + (1 - hidden) * cpu}
    return Phase(name, repeats, parts, bounds)


@dataclass(frozen=True)
class _Block:
    """The work of one block and the memory it needs."""

    shape: ModelShape
    policy: Policy
    batches: Sequence[Batch]
    layers: Shares
    head: Shares

    @property
    def requests(self) -> int:
        return sum(batch.count for batch in self.batches)

    def prefill(self) -> Work:
        """What the first token takes: all layers over all prompts."""
        positions = sum(batch.count * batch.prompt for batch in self.batches)
        work = self._step(positions, sum(_passes(batch) for batch in self.batches))
        pairs = sum(batch.count * batch.prompt**2 for batch in self.batches)
        shape = self.shape
        work["pairs"] += SHARES.one * (2 * shape.layers * shape.heads * shape.head_dim * pairs)
        # Finding minimum and step takes about what applying them does, once more.
        self._move_cache(work, "write", stored(shape, self.policy, self.batches, 1), 2)
        return work

    def decode(self, tokens: int) -> Work:
        """What every later token of `tokens` takes, at the mean length of the cache."""
        work = self._step(self.requests, len(self.batches))
        past = sum(batch.count * (batch.prompt + (tokens - 2) / 2) for batch in self.batches)
        attended = 2 * self.shape.layers * self.shape.kv_width * (past + self.requests)
        work["attention"] += SHARES.one * attended
        moved = self.shape, self.policy, self.batches, tokens
        self._move_cache(work, "read", loaded(*moved), 1)
        self._move_cache(work, "write", stored(*moved), 2)
        return work

    def _step(self, rows: int, passes: int) -> dict[str, Affine]:
        """Weights, matrix products and hidden states of one token step."""
        shape, one, nb = self.shape, SHARES.one, len(self.batches)
        work: dict[str, Affine] = {kind: np.zeros(10) for kind in Prices.kinds()}
        self._fetch_weights(work)
        matrices, output = shape.layers * shape.layer_values, shape.vocab * shape.width
        work["product"] += one * (matrices * rows + output * self.requests)
        work["weight"] += one * (matrices * passes + output * nb)
        work["logits"] += one * self.requests * shape.vocab
        if nb > 1:  # else hidden states stay where they are computed
            hidden = rows * shape.width * BYTES[self.policy.compute]
            work["copy"] += 2 * shape.layers * hidden * (self.layers.hc + self.layers.hd)
        return work

    def _fetch_weights(self, work: dict[str, Affine]) -> None:
        """Every layer and the output matrix are fetched once for all batches."""
        shape, policy, stored = self.shape, self.policy, BYTES[self.shape.weight_type]
        matrices = shape.layers * shape.layer_values
        plain = shape.layers * shape.layer_vector_values
        if policy.compress_weights:
            work["read"] += self.layers.wd * matrices * _packed(policy)
            work["dequantize"] += SHARES.one * matrices
        else:
            plain += matrices
        converted = shape.weight_type != policy.compute
        for shares, values in ((self.layers, plain), (self.head, shape.vocab * shape.width)):
            work["read"] += shares.wd * values * stored
            work["copy"] += (shares.wc + shares.wd * converted) * values * stored

    def _move_cache(self, work: dict[str, Affine], how: str, moved: Moved, passes: int) -> None:
        """From or to where it lives; what is in 4 bits costs `passes` times its decoding."""
        work[how] += self.layers.cd * moved.kept
        work["copy"] += self._moved() * moved.plain
        work["dequantize"] += SHARES.one * (passes * moved.rounded)

    def _moved(self) -> Affine:
        """Share of the cache that is not attended to where it lives."""
        if self.policy.compress_cache:
            return SHARES.one
        if self.policy.host_attention:
            return self.layers.cd
        return self.layers.cc + self.layers.cd

    def memory(self, tokens: int, joint: bool) -> dict[tuple[str, str], Affine]:
        """What the engine books in every tier, as in models/flexgen/{homes,streaming,block}.py."""
        layers, head = self.layers, self.head
        used = {
            "device": self._home("device", (layers.wg, head.wg, layers.cg, layers.hg), tokens),
            "host": self._home("host", (layers.wc, head.wc, layers.cc, layers.hc), tokens),
            "disk": self._home("disk", (layers.wd, head.wd, layers.cd, layers.hd), tokens),
        }
        self._book_buffers(used)
        self._book_workspaces(used, tokens)
        memory = {(tier, "peak"): size for tier, size in used.items()}
        if joint:
            memory["memory", "peak"] = used["device"] + used["host"]
        return memory

    def _home(self, tier: str, shares: Sequence[Affine], tokens: int) -> Affine:
        """Bytes that live in a tier: on the device in the type that is computed in."""
        w, head, c, h = shares
        shape, policy, value = self.shape, self.policy, BYTES[self.policy.compute]
        plain = value if tier == "device" else BYTES[shape.weight_type]
        matrix = _packed(policy) if policy.compress_weights else plain
        layer = shape.layer_values * matrix + shape.layer_vector_values * plain
        cached = room(shape, policy, self.batches, tokens)
        hidden = sum(batch.count * batch.prompt for batch in self.batches) * shape.width * value
        output = shape.vocab * shape.width * plain
        return w * shape.layers * layer + head * output + c * cached + h * hidden

    def _book_buffers(self, used: dict[str, Affine]) -> None:
        """Two layers in flight, what threads hold while they convert, what a layer computes."""
        shape, policy = self.shape, self.policy
        value, stored = BYTES[policy.compute], BYTES[shape.weight_type]
        fetched = SHARES.one if policy.compress_weights else SHARES.one - self.layers.wg
        layer = (shape.layer_values + shape.layer_vector_values) * value + _MOVES * _PAGE
        slice_ = min(shape.layer_values, shape.vocab * shape.width)  # of the output matrix
        room = _larger(
            layer * fetched, (slice_ * value + 2 * _PAGE) * _some(SHARES.one - self.head.wg)
        )
        used["device"] = used["device"] + 2 * room + SHARES.one * self._computing()
        converted = shape.weight_type != policy.compute
        staging = _some(self.layers.wd) * (min(slice_ * stored, _READ) + 2 * _PAGE) * converted
        if policy.compress_weights:
            largest = shape.width * max(shape.ffn, shape.heads * shape.head_dim)  # of its matrices
            packed = largest * _packed(policy) + 2 * _PAGE
            staging = _larger(staging, _some(self.layers.wd) * packed)
        used["host"] = used["host"] + 2 * staging
        tables = shape.embedding_values - shape.vocab * shape.width  # read by rows when on disk
        used["device"] = used["device"] + self.head.wg * max(tables, 0) * stored

    def _book_workspaces(self, used: dict[str, Affine], tokens: int) -> None:
        """Two for the largest batch whose cache is not attended to where it lives."""
        if tokens == 1:
            return
        shape, policy = self.shape, self.policy
        largest = max(batch.count * (batch.prompt + tokens - 1) for batch in self.batches)
        size = 2 * 2 * largest * shape.kv_width * BYTES[policy.compute]
        tier = "host" if policy.host_attention else "device"
        used[tier] = used[tier] + self._moved() * size
        read = max(room(shape, policy, [batch], tokens) for batch in self.batches)
        record = read / shape.layers + 2 * _PAGE
        used["host"] = used["host"] + self.layers.cd * record

    def _computing(self) -> float:
        """Bytes of what a layer makes and drops; models/flexgen/block.py books the same."""
        shape, value = self.shape, BYTES[self.policy.compute]
        count = max(batch.count for batch in self.batches)
        longest = max(batch.prompt for batch in self.batches)
        rows = max(count, min(count * longest, max(_ROWS, longest)))
        heads = 3 * (shape.heads * shape.head_dim + 2 * shape.kv_width)
        inside = 3 * shape.width + max(heads, (3 if shape.gated else 2) * shape.ffn)
        logits = 3 * 4 * count * min(shape.vocab, shape.layer_values // shape.width)
        return max(rows * inside * value, logits) + 2 * count * longest * shape.width * value


def _some(share: Affine) -> Affine:
    """1 where a fixed share is above 0; a free one stands for itself."""
    return SHARES.one * float(share[-1] > 0) if not share[:-1].any() else share


def _larger(one: Affine, other: Affine) -> Affine:
    """The larger of two fixed sizes; of free ones the first, which the second follows."""
    return other if not one[:-1].any() and other[-1] > one[-1] else one


def _packed(policy: Policy) -> float:
    """Bytes of a 4-bit value, its group's step and minimum included: 4.5 bits for 64."""
    return 0.5 + 4 / policy.group


def _passes(batch: Batch) -> int:
    """How many times a layer is applied to a batch in prefill."""
    at_once = max(1, _ROWS // batch.prompt)
    return -(-batch.count // at_once)
