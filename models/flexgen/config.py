"""What is asked of the engine: the policy, the budgets of the tiers, the shape of the model.

Nothing here loads torch. The letters are the paper's: w weights, c cache of keys and values,
h hidden states (activations); g the device (GPU), c the host (CPU memory), d the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

Tier = Literal["device", "host", "disk"]
TIERS: tuple[Tier, ...] = ("device", "host", "disk")
What = Literal["weights", "cache", "activations", "embeddings", "attention"]
ComputeType = Literal["float32", "bfloat16"]
BYTES: dict[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2}  # a stored value


class Policy(BaseModel, frozen=True, extra="forbid"):
    """Where weights, cache and activations live, and how a block of batches is run (sec. 4)."""

    wg: float = Field(100, description="weights on the device [%]", ge=0, le=100)
    wc: float = Field(0, description="weights on the host [%]", ge=0, le=100)
    wd: float = Field(0, description="weights on the disk [%]", ge=0, le=100)
    cg: float = Field(100, description="cache on the device [%]", ge=0, le=100)
    cc: float = Field(0, description="cache on the host [%]", ge=0, le=100)
    cd: float = Field(0, description="cache on the disk [%]", ge=0, le=100)
    hg: float = Field(100, description="activations on the device [%]", ge=0, le=100)
    hc: float = Field(0, description="activations on the host [%]", ge=0, le=100)
    hd: float = Field(0, description="activations on the disk [%]", ge=0, le=100)
    gbs: int = Field(8, ge=1, description="sequences the device computes at once [sequences]")
    nb: int = Field(1, ge=1, description="batches of a block, which share each weight load")
    compute: ComputeType = Field(
        "float32", description="type the device computes in and the cache is kept in; paper: fp16"
    )
    compress_weights: bool = Field(False, description="weights kept in 4 bits, in every tier")
    compress_cache: bool = Field(False, description="cache kept in 4 bits, in every tier")
    group: int = Field(64, ge=2, description="values that share a step and a minimum; paper: 64")
    bits: Literal[4] = Field(4, description="bits of a compressed value; paper: 4")
    sparsity: float = Field(
        1.0, gt=0, le=1, description="share of the past positions attended to; 1 is dense [0..1]"
    )
    overlap: bool = Field(True, description="moves data while it computes; off: one after another")
    host_attention: bool = Field(
        False, description="decoding attends where the cache lives instead of moving the cache"
    )

    @model_validator(mode="after")
    def _shares_sum_to_all(self) -> Self:
        for name, shares in (("w", self.weights), ("c", self.cache), ("h", self.activations)):
            if abs(sum(shares) - 100) > 1e-6:
                raise ValueError(
                    f"{name}g + {name}c + {name}d must be 100 (percent), not {sum(shares):g}"
                )
        if self.group % 2:
            raise ValueError(f"group must be even (two values a byte), not {self.group}")
        if self.compress_cache and self.sparsity < 1:
            raise ValueError("sparsity below 1 needs an uncompressed cache (compress_cache=False)")
        return self

    @property
    def weights(self) -> tuple[float, float, float]:
        """Shares of the weights on device, host and disk [%]."""
        return self.wg, self.wc, self.wd

    @property
    def cache(self) -> tuple[float, float, float]:
        """Shares of the cache on device, host and disk [%]."""
        return self.cg, self.cc, self.cd

    @property
    def activations(self) -> tuple[float, float, float]:
        """Shares of the activations on device, host and disk [%]."""
        return self.hg, self.hc, self.hd

    @property
    def bls(self) -> int:
        """Sequences of a block, gbs * nb."""
        return self.gbs * self.nb


@dataclass(frozen=True)
class Budgets:
    """How much of each tier the engine may use."""

    device_bytes: int  # on a machine without CUDA: the part of the RAM that computes
    host_bytes: int
    disk_folder: Path  # holds what the policy puts on disk; made when absent
    disk_bytes: int | None = None  # None: what the file system has free
    cold_reads: bool = True  # past the page cache, so that RAM does not play the disk


@dataclass(frozen=True)
class ModelShape:
    """What the cost model and the engine need to know of a decoder."""

    architecture: str  # as in config.json, e.g. "OPTForCausalLM"
    layers: int  # l
    width: int  # h1
    ffn: int  # h2
    heads: int  # nh
    kv_heads: int
    head_dim: int
    vocab: int
    context: int  # most positions
    gated: bool  # three MLP matrices instead of two
    tied: bool  # input and output embedding are one tensor
    weight_type: str  # of the stored matrices: float32, float16 or bfloat16
    layer_values: int  # values of one layer's matrices: what compression applies to
    layer_vector_values: int  # values of one layer's biases and norms: never compressed
    embedding_values: int  # input tables (tokens and positions), read row by row
    head_values: int  # output matrix and final norm, streamed whole like a layer

    @property
    def kv_width(self) -> int:
        """Values of one position's keys (or values) in one layer."""
        return self.kv_heads * self.head_dim

    def layer_bytes(self, policy: Policy) -> int:
        """Bytes w_i of one layer as the policy stores it (in 16 bits: 8 h1^2 + 4 h1 h2)."""
        size = BYTES[self.weight_type]
        vectors = self.layer_vector_values * size
        if not policy.compress_weights:
            return self.layer_values * size + vectors
        return compressed_bytes(self.layer_values, policy.group) + vectors

    def position_bytes(self, policy: Policy) -> int:
        """Bytes of one position's keys and values in one layer, as computed with."""
        return 2 * self.kv_width * BYTES[policy.compute]

    def group_bytes(self, policy: Policy) -> int:
        """Bytes of `policy.group` positions' keys and values in one layer, in 4 bits."""
        return compressed_bytes(2 * self.kv_width * policy.group, policy.group)

    def cached_bytes(self, policy: Policy, positions: int) -> int:
        """Bytes that the first `positions` of one sequence take in one layer at home.

        A compressed cache holds full groups of positions in 4 bits and, as they are, those after
        them; once a group is full, the very first position too.
        """
        full, rest = divmod(positions, policy.group) if policy.compress_cache else (0, positions)
        plain = rest + (full > 0)
        return full * self.group_bytes(policy) + plain * self.position_bytes(policy)

    def stored_bytes(self, policy: Policy, start: int, stop: int) -> int:
        """Bytes carried home when positions [start, stop) of a sequence are new in one layer.

        The position that fills a group of a compressed cache goes with the group.
        """
        if not policy.compress_cache:
            return (stop - start) * self.position_bytes(policy)
        full = stop // policy.group - start // policy.group
        plain = stop - max(start, stop // policy.group * policy.group)
        plain += start < policy.group <= stop  # the very first
        return full * self.group_bytes(policy) + plain * self.position_bytes(policy)

    def room_bytes(self, policy: Policy, positions: int) -> int:
        """Bytes booked at home for a sequence of `positions` in one layer."""
        if not policy.compress_cache:
            return positions * self.position_bytes(policy)
        full = positions // policy.group
        plain = min(positions, policy.group) + (full > 0)
        return full * self.group_bytes(policy) + plain * self.position_bytes(policy)


def compressed_bytes(values: int, group: int = 64) -> int:
    """Bytes of `values` in 4 bits: half a byte each, and two fp16 numbers a group."""
    groups = -(-values // group)
    return groups * (group // 2 + 4)
