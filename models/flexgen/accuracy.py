"""What 4 bits cost a model's prediction of a text, as comparisons for the table of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from models.flexgen.config import Budgets, ComputeType, Policy
from models.measuring import Measurement
from models.progress import Progress, silent

if TYPE_CHECKING:
    from models.flexgen.perplexity import Perplexity
    from models.flexgen.weights import WeightFolder


class AccuracyConfig(BaseModel, frozen=True, extra="forbid"):
    """How much text, and in what groups weights and cache are rounded."""

    tokens: int = Field(default=20_000, ge=2, description="tokens of the text, from its beginning")
    window: int = Field(default=1024, ge=2, description="tokens scored together [tokens]")
    weight_group: int = Field(
        default=32, ge=2, multiple_of=2, description="weights that share a step; paper: 64"
    )
    cache_group: int = Field(
        default=64, ge=2, multiple_of=2, description="positions that share a step; paper: 64 values"
    )
    compute: ComputeType = Field(default="float32", description="type that is computed in")
    memory_bytes: int = Field(
        default=4 << 30, description="memory of device and host each [bytes]", ge=1
    )


def accuracy(
    weights: WeightFolder,
    name: str,
    ids: list[int],
    config: AccuracyConfig,
    scratch: Path,
    *,
    progress: Progress = silent,
) -> Iterator[Measurement]:
    """Perplexity of token ids with 4-bit weights and with a 4-bit cache, each against without."""
    import torch

    from models.flexgen.engine import Engine
    from models.flexgen.perplexity import perplexity

    text = ids[: config.tokens]

    def measured(asked: Mapping[str, bool | int]) -> Perplexity:
        policy = Policy(compute=config.compute, gbs=1, nb=4, **asked)
        with Engine(
            weights, policy, Budgets(config.memory_bytes, config.memory_bytes, scratch)
        ) as engine:
            return perplexity(engine, text, config.window, progress)

    packed: dict[str, bool | int] = {"compress_weights": True, "group": config.weight_group}
    cached = {"compress_cache": True}
    full, rounded = measured({}), measured(packed)
    in_groups = f"groups of {config.cache_group} positions"
    for case, ours, peer in (
        (f"4-bit weights, groups of {config.weight_group}", rounded, full),
        (f"4-bit cache, {in_groups}", measured(cached | {"group": config.cache_group}), full),
        ("4-bit cache beside 4-bit weights", measured(packed | cached), rounded),
    ):
        yield Measurement(
            case=case,
            size=f"{name}, {full.tokens} tokens of text",
            ours="rounded",
            ours_value=ours.value,
            peer="not rounded" if peer is full else "4-bit weights alone",
            peer_value=peer.value,
            unit="perplexity",
            threads=torch.get_num_threads(),
            dtype=config.compute,
        )
