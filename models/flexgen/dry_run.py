"""A plan in words: what a job would take, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from models.flexgen.config import TIERS, Policy
from models.flexgen.planner import Job, Plan

_MB, _GB = 1e6, 1e9


def policy_text(policy: Policy) -> str:
    """A policy on one line: shares on device/host/disk [%], batch x batches, what is not usual."""
    shares = " ".join(
        f"{name} {'/'.join(f'{share:.0f}' for share in values)}"
        for name, values in (("w", policy.weights), ("c", policy.cache), ("h", policy.activations))
    )
    extras = [
        f"4-bit {' and '.join(kept)}"
        for kept in [
            [
                name
                for name, on in (("w", policy.compress_weights), ("c", policy.compress_cache))
                if on
            ]
        ]
        if kept
    ]
    extras += ["sparse"] * (policy.sparsity < 1) + ["no overlap"] * (not policy.overlap)
    extras += ["host attention"] * policy.host_attention
    return ", ".join([f"{shares}, {policy.gbs}x{policy.nb}, {policy.compute}", *extras])


def dry_run(job: Job, chosen: Plan) -> Iterator[str]:
    """Lines that say what the plan is and what it would take: time, memory, traffic, shadow prices.

    Times are those of the cost model that the plan names, if no request ends early.
    """
    policy = chosen.policy
    yield f"{len(job.lengths):,} prompts, {sum(job.lengths):,} tokens; up to {job.tokens} new each"
    yield (
        f"policy: {policy.gbs} requests a batch, {policy.nb} batches a block, "
        f"{chosen.blocks} blocks; computes in {policy.compute}"
    )
    yield "              device    host    disk"
    for name, shares in (
        ("weights", policy.weights),
        ("cache", policy.cache),
        ("activations", policy.activations),
    ):
        yield f"{name:12}{shares[0]:6.0f} %{shares[1]:6.0f} %{shares[2]:6.0f} %"
    memory = "".join(f"{chosen.memory[tier] / _MB:8,.0f}" for tier in TIERS)
    yield f"peak [MB]   {memory}"
    yield (
        f"predicted ({chosen.cost_model}): {chosen.seconds:,.1f} s, "
        f"{chosen.tokens_per_s:,.2f} tokens/s; "
        + ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in chosen.phases.items())
    )
    yield (
        f"disk: {chosen.traffic['read'] / _GB:,.2f} GB read, "
        f"{chosen.traffic['write'] / _GB:,.2f} GB written"
    )
    for tier, price in chosen.shadow_prices.items():
        yield f"one more GB of {tier}: {max(price, 0.0) + 0.0:+.3g} tokens/s"
