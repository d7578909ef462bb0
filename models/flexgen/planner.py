"""From a job and a memory cap to a policy: linear program, rounding to what can be split, check.

The linear program places fractions; the engine places whole tensors and whole sequences. So its
solution is rounded to neighbouring splits, each is evaluated as the engine would place it, on the
batches that the job's own prompt lengths make, and the fastest that fits is the plan. Rounding
costs some block sizes more than others: all whose fractions promise more than what is found are
rounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from models.flexgen.bucketing import blocks
from models.flexgen.cache_cost import Batch
from models.flexgen.config import TIERS, Policy, Tier, compressed_bytes
from models.flexgen.cost import Costs, Shares
from models.flexgen.linear_program import (
    Caps,
    InfeasibleError,
    Placement,
    evaluate,
    fits,
    place,
)
from models.flexgen.machine_cost import Prices, at, block_costs
from models.flexgen.placement import place as tiers_of
from models.flexgen.placement import sequences
from models.flexgen.search import Found, candidates
from models.flexgen.weights import WeightFolder

MARGIN = 0.05  # share of a cap left free: the engine's accounts are exact, allocators are not
_NAMES = Shares._fields[:-1]


@dataclass(frozen=True)
class Job:
    """What is to be generated: prompt lengths [tokens] and new tokens a prompt."""

    lengths: tuple[int, ...]
    tokens: int

    @property
    def generated(self) -> int:
        """New tokens of the whole job, if none ends early."""
        return len(self.lengths) * self.tokens


@dataclass(frozen=True)
class Plan:
    """The policy for a job, and what is expected of it."""

    policy: Policy
    cost_model: str
    seconds: float  # prefill and decoding of the whole job
    phases: Mapping[str, float]  # seconds
    parts: Mapping[str, float]  # seconds of each kind of work by itself, as "decode, read"
    memory: Mapping[str, float]  # most bytes in a tier, or in device and host together
    traffic: Mapping[str, float]  # bytes read from and written to the disk
    tokens_per_s: float
    shadow_prices: Mapping[str, float]  # tokens/s that one more GB would add
    blocks: int


def plan(weights: WeightFolder, job: Job, asked: Policy, prices: Prices, caps: Caps) -> Plan:
    """The fastest policy for `job` within `caps`.

    asked: gives everything but the shares and the block: compute type, compression, overlap.
    caps: "disk", and "memory" for device and host together or both apart.
    Raises InfeasibleError, naming the cap that binds and the least that would do.
    """

    def costs(batch: int, batches: int) -> Costs:
        policy = asked.model_copy(update={"gbs": batch, "nb": batches})
        return _typical(weights, job, policy, prices)

    best: Plan | None = None
    for found in candidates(costs, caps, most_requests=len(job.lengths)):
        if best is not None and found.placement.tokens_per_s <= best.tokens_per_s:
            break  # rounding can only lose
        for policy in _roundings(weights, asked, costs, caps, found):
            tried = predict(weights, job, policy, prices)
            if fits_job(weights, job, policy, prices, caps) and (
                best is None or tried.seconds < best.seconds
            ):
                best = replace(tried, shadow_prices=found.placement.shadow_prices)
    if best is None:
        # Rounding took more than the margin leaves: plan for a little less.
        smaller = replace(caps, margin=1 - 0.9 * (1 - caps.margin))
        if smaller.margin > 0.6:
            raise InfeasibleError("no whole tensors and sequences fit: give more memory")
        return plan(weights, job, asked, prices, smaller)
    return best


def predict(weights: WeightFolder, job: Job, policy: Policy, prices: Prices) -> Plan:
    """What a given policy is expected to take for `job`, placed as the engine places it."""
    parts = [
        evaluate(costs, dict.fromkeys(_NAMES, 0.0))
        for costs in _blocks(weights, job, policy, prices)
    ]
    seconds = sum(part.seconds for part in parts)
    kinds = _summed([part.parts for part in parts])
    return Plan(
        policy=policy,
        cost_model="calibrated",
        seconds=seconds,
        phases=_summed([part.phases for part in parts]),
        parts=kinds,
        memory={tier: max(part.memory[tier] for part in parts) for tier in parts[0].memory},
        traffic={
            kind: sum(v for name, v in kinds.items() if name.endswith(kind)) / getattr(prices, kind)
            for kind in Prices.DISK
        },
        tokens_per_s=job.generated / seconds,
        shadow_prices={},
        blocks=len(parts),
    )


def fits_job(weights: WeightFolder, job: Job, policy: Policy, prices: Prices, caps: Caps) -> bool:
    """Whether every block of the job stays within the caps."""
    return all(fits(part, caps) for part in _evaluated(weights, job, policy, prices))


def shrunk(policy: Policy) -> Policy | None:
    """The next smaller block after memory ran out; None when there is none."""
    if policy.nb > 1:
        return policy.model_copy(update={"nb": (policy.nb + 1) // 2})
    if policy.gbs > 1:
        return policy.model_copy(update={"gbs": (policy.gbs + 1) // 2})
    return None


def _summed(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def _evaluated(weights: WeightFolder, job: Job, policy: Policy, prices: Prices) -> list[Placement]:
    """Every block; its shares are constants of its costs already."""
    none = dict.fromkeys(_NAMES, 0.0)
    return [evaluate(costs, none) for costs in _blocks(weights, job, policy, prices)]


def _blocks(weights: WeightFolder, job: Job, policy: Policy, prices: Prices) -> Iterator[Costs]:
    """Costs of every block of the job, with the achieved shares as constants."""
    layers, head = achieved(weights, policy)
    for block in blocks(list(job.lengths), policy.gbs, policy.nb):
        batches = [Batch(len(b), max(job.lengths[i] for i in b)) for b in block]
        cache, hidden = _split(batches, policy.cache), _split(batches, policy.activations)
        rest = {f"c{t}": cache[t] for t in "gcd"} | {f"h{t}": hidden[t] for t in "gcd"}
        yield block_costs(
            weights.shape, policy, batches, job.tokens, prices,
            layers=at(layers | rest), head=at(head | rest),
        )  # fmt: skip


def _split(batches: Sequence[Batch], shares: tuple[float, float, float]) -> dict[str, float]:
    """Shares of whole sequences, over all batches of a block."""
    total = sum(batch.count for batch in batches)
    counts = [sequences(batch.count, shares) for batch in batches]
    return {
        letter: sum(count[tier] for count in counts) / total
        for letter, tier in zip("gcd", TIERS, strict=True)
    }


def achieved(weights: WeightFolder, policy: Policy) -> tuple[dict[str, float], dict[str, float]]:
    """Shares [0..1] of the layers' and of the output matrix's bytes that whole tensors allow."""
    sizes = _sizes(weights, policy)
    totals = dict.fromkeys(TIERS, 0.0)
    for size, tier in zip(sizes, tiers_of(sizes, policy.weights), strict=True):
        totals[tier] += size / sum(sizes)
    (head,) = tiers_of([1], policy.weights)
    return _letters(totals), _letters({tier: float(tier == head) for tier in TIERS})


def _letters(shares: Mapping[Tier, float]) -> dict[str, float]:
    return {f"w{letter}": shares[tier] for letter, tier in zip("gcd", TIERS, strict=True)}


def _sizes(weights: WeightFolder, policy: Policy) -> list[int]:
    """Bytes of the tensors of a layer as the policy stores them."""
    stored = [weights[name] for name in weights.adapter.layer_names(0).values()]
    return [
        compressed_bytes(one.values, policy.group)
        if policy.compress_weights and len(one.shape) > 1
        else one.nbytes
        for one in stored
    ]


def _typical(weights: WeightFolder, job: Job, policy: Policy, prices: Prices) -> Costs:
    """A block of the job's mean length for the time, of its longest prompts for the memory."""
    batch, batches = policy.gbs, policy.nb
    number = len(job.lengths)
    rounds = -(-number // (batch * batches))
    each = -(-number // rounds)  # requests of a block when all are equally large
    counts = [batch] * (each // batch) + [each % batch] * (each % batch > 0)
    ordered = sorted(job.lengths)
    mean = round(sum(ordered) / number)
    costs = block_costs(
        weights.shape, policy, [Batch(count, mean) for count in counts], job.tokens, prices
    )
    longest = ordered[-batch * batches :]
    worst = [
        Batch(len(some), some[-1])
        for some in (longest[i : i + batch] for i in range(0, len(longest), batch))
    ]
    memory = block_costs(weights.shape, policy, worst, job.tokens, prices).memory
    generated = round(number / rounds * job.tokens)
    return replace(costs, memory=memory, generated=generated)


def _roundings(
    weights: WeightFolder,
    asked: Policy,
    costs: Callable[[int, int], Costs],
    caps: Caps,
    found: Found,
) -> Iterator[Policy]:
    """Policies near the linear program's solution whose shares the engine can meet exactly.

    Whole tensors are large: once the weights are rounded, the rest is placed anew, so that memory
    which no further tensor fits into goes to the cache.
    """
    sizes = _sizes(weights, asked)
    total = sum(sizes)
    ends = [100 * sum(sizes[:i]) / total for i in range(len(sizes) + 1)]  # [%] after i tensors
    ideal, batch = found.placement.shares, found.batch
    whole = [100 * i / batch for i in range(batch + 1)]
    sizes_of_block = sorted({found.batches, max(1, found.batches - 1)})
    for wd, wn, nb in itertools.product(
        _near(ends, 100 * ideal["wd"]),
        _near(ends, 100 * (ideal["wd"] + ideal["wc"])),
        sizes_of_block,
    ):
        if wn < wd:
            continue
        fixed = {"wg": 1 - wn / 100, "wc": (wn - wd) / 100, "wd": wd / 100}
        try:
            shares = place(costs(batch, nb), caps, fixed).shares
        except InfeasibleError:
            shares = ideal  # the head's share is rounded otherwise: it may fit all the same
        cache_disk = _near(whole, 100 * shares["cd"])
        cache_host = _near(whole, 100 * (shares["cd"] + shares["cc"]))
        hidden = {0.0, 100.0} if 0 < shares["hg"] < 1 else {100.0 * round(shares["hg"])}
        for cd, cn, hg in itertools.product(cache_disk, cache_host, hidden):
            if cn >= cd:
                yield asked.model_copy(
                    update={
                        "wg": 100 - wn, "wc": wn - wd, "wd": wd, "cg": 100 - cn, "cc": cn - cd,
                        "cd": cd, "hg": hg, "hc": 100 - hg, "hd": 0.0, "gbs": batch, "nb": nb,
                    }
                )  # fmt: skip


def _near(grid: Sequence[float], value: float) -> list[float]:
    """The two neighbours of a value on a grid, and one further towards more."""
    below = max((i for i, edge in enumerate(grid) if edge <= value + 1e-6), default=0)
    return list(grid[max(below, 0) : below + 3])
