"""The linear program: optimal, within the caps, with true shadow prices and clear refusals."""

import re

import numpy as np
import pytest

from models.flexgen.config import TIERS, ModelShape
from models.flexgen.cost import GIB, SHARES, Costs, Machine, Phase, Workload, published_costs
from models.flexgen.linear_program import (
    GB,
    Caps,
    InfeasibleError,
    evaluate,
    fits,
    place,
)
from models.flexgen.search import search

NAMES = SHARES._fields[:-1]
T4 = Caps({"device": 15 * GIB, "host": 60 * GIB, "disk": 400 * GIB})
OPT_30B = ModelShape(
    architecture="OPTForCausalLM", layers=48, width=7168, ffn=4 * 7168, heads=56, kv_heads=56,
    head_dim=128, vocab=50272, context=2048, gated=False, tied=True, weight_type="float16",
    layer_values=12 * 7168**2, layer_vector_values=13 * 7168, embedding_values=0, head_values=0,
)  # fmt: skip


def costs(batch=16, batches=4, variant="shipped"):
    return published_costs(OPT_30B, Workload(512, 32, batch, batches), Machine(), variant)


def test_no_placement_that_fits_is_faster():
    random = np.random.default_rng(0)
    roomy = Caps({"device": 60 * GIB, "host": 60 * GIB, "disk": 400 * GIB})
    fastest, fitting = place(costs(), roomy), 0
    for _ in range(4000):
        weights, cache = random.dirichlet(np.full(3, 0.5), size=2)
        hidden = random.random()
        placed = [*weights, *cache, hidden, 1 - hidden, 0.0]
        tried = evaluate(costs(), dict(zip(NAMES, placed, strict=True)))
        if fits(tried, roomy):
            fitting += 1
            assert tried.tokens_per_s <= fastest.tokens_per_s * (1 + 1e-9)
    assert fitting > 500


@pytest.mark.parametrize("variant", ["paper", "shipped"])
def test_the_solution_is_a_placement_that_fits(variant):
    found = place(costs(variant=variant), T4)
    for triple in ("wg wc wd", "cg cc cd", "hg hc hd"):
        assert sum(found.shares[name] for name in triple.split()) == pytest.approx(1)
    assert fits(found, T4)
    again = evaluate(costs(variant=variant), found.shares)
    assert (again.seconds, again.memory) == (found.seconds, found.memory)
    assert found.tokens_per_s == pytest.approx(64 * 32 / sum(found.phases.values()))


def test_fixed_shares_stay_and_never_help():
    free = place(costs(), T4)
    pinned = place(costs(), T4, {"cc": 1.0, "cg": 0.0, "cd": 0.0, "hd": 0.0})
    assert pinned.shares["cc"] == 1.0
    assert pinned.tokens_per_s <= free.tokens_per_s * (1 + 1e-9)


@pytest.mark.parametrize("margin", [0.0, 0.2])
@pytest.mark.parametrize("tier", TIERS)
def test_shadow_prices_are_the_finite_differences(tier, margin):
    """One more GB of a tier, at blocks where each of the three binds."""
    caps = Caps({"device": 15 * GIB, "host": 60 * GIB, "disk": 60 * GIB}, margin=margin)
    priced = []
    for batches in (4, 8, 12):
        try:
            found = place(costs(batches=batches), caps)
        except InfeasibleError:
            continue
        step = 1e-3 * GB
        speeds = [
            place(
                costs(batches=batches),
                Caps({**caps.limits, tier: caps.limits[tier] + sign * step}, margin),
            ).tokens_per_s
            for sign in (-1, 1)
        ]
        slope = (speeds[1] - speeds[0]) / 2e-3
        assert found.shadow_prices[tier] == pytest.approx(slope, rel=1e-3, abs=1e-9)
        priced.append(found.shadow_prices[tier])
    assert priced
    if tier != "disk":
        assert max(priced) > 0


def test_memory_that_is_not_scarce_is_worth_nothing():
    assert place(costs(), Caps(dict.fromkeys(TIERS, 1e15))).shadow_prices == dict.fromkeys(TIERS, 0)


@pytest.mark.parametrize("tier", TIERS)
def test_a_refusal_names_the_cap_and_the_least_that_would_do(tier):
    caps = {"device": 15 * GIB, "host": 1e12, "disk": 1e12} | {tier: 2 * GIB}
    if tier == "disk":
        caps["host"] = 40 * GIB
    if tier == "host":
        caps["disk"] = 40 * GIB
    with pytest.raises(InfeasibleError, match=f"the {tier} tier has 2.147 GB") as refusal:
        place(costs(), Caps(caps))
    needed = float(
        re.search(rf"the {tier} tier has .*? would need ([\d.e+]+) GB", str(refusal.value))[1]
    )
    assert place(costs(), Caps(caps | {tier: needed * 1.001 * GB})).tokens_per_s > 0
    with pytest.raises(InfeasibleError):
        place(costs(), Caps(caps | {tier: needed * 0.999 * GB}))


def test_when_one_cap_alone_cannot_help_all_that_are_short_are_named():
    with pytest.raises(InfeasibleError, match=r"the host tier .* and the disk tier"):
        place(
            costs(),
            Caps({"device": 100 * GIB, "host": 0.1 * GIB, "disk": 1 * GIB}),
            {"wd": 1.0, "wc": 0.0, "wg": 0.0},
        )


def test_fixed_shares_that_contradict_each_other_are_told():
    with pytest.raises(InfeasibleError, match="fixed shares"):
        place(costs(), T4, {"wg": 1.0, "wc": 1.0})


def test_the_search_equals_trying_every_block():
    def of(batch, batches):
        return costs(batch, batches)

    found = search(of, T4, most_requests=200)
    best = 0.0
    for batch in (1, 2, 3, 4, 8, 16, 32, 64, 128):
        for batches in range(1, 200 // batch + 1):
            try:
                best = max(best, place(of(batch, batches), T4).tokens_per_s)
            except InfeasibleError:
                break
    assert found.placement.tokens_per_s == pytest.approx(best, rel=1e-9)
    assert found.batch * found.batches <= 200


def bumpy(batch, batches):
    """Throughput with a low maximum at 4 batches and the highest one at 60, then no room."""
    wanted = {4: 2.0, 60: 3.0}.get(batches, 1.0 + 1e-3 * min(abs(batches - 30), 30))
    one = SHARES.one
    time = one * (batch * batches / wanted)
    return Costs(
        "bumpy", batch * batches, batch * batches,
        (Phase("all", 1, {"all": time}, {"all": time}),),
        {(tier, "all"): one * (1.0 if tier != "disk" else batches * batch) for tier in TIERS}, {},
    )  # fmt: skip


def test_the_search_does_not_stop_at_a_first_maximum():
    found = search(
        bumpy, Caps({"device": 10, "host": 10, "disk": 60}, margin=0.0), most_requests=60
    )
    assert found.placement.tokens_per_s == pytest.approx(3.0)
    assert found.batch * found.batches == 60


def test_no_more_requests_than_the_job_has():
    found = search(costs, Caps(dict.fromkeys(TIERS, 1e15)), most_requests=7)
    assert found.batch * found.batches <= 7


def test_evaluation_adds_up_to_the_published_formula():
    """T = l Tpre + l (n - 1) Tgen, throughput = bls n / T."""
    found = evaluate(costs(), dict.fromkeys(NAMES, 0.0) | {"wc": 1, "cc": 1, "hc": 1})
    assert found.seconds == pytest.approx(sum(found.phases.values()))
    assert found.tokens_per_s == pytest.approx(64 * 32 / found.seconds)
    assert np.isfinite(list(found.parts.values())).all()
