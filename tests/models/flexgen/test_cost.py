"""The published equations, against the original package's cost model and against the paper."""

import pytest

from models.flexgen.config import ModelShape
from models.flexgen.cost import GIB, SHARES, Machine, Workload, layer_bytes, published_costs
from models.flexgen.linear_program import Caps, InfeasibleError, evaluate, place
from models.flexgen.search import search

T4 = Caps({"device": 15 * GIB, "host": 200 * GIB, "disk": 1500 * GIB})
SIZES = {"6.7b": (32, 4096, 32), "30b": (48, 7168, 56), "175b": (96, 12288, 96)}

# flexgen 0.1.8, experimental/cost_model.py, solve_lp with prompt 512 and 32 new tokens on a T4:
# model, 4 bits, gbs, nb, tokens/s, prefill s, decode s, device peak in prefill and decode [bytes].
GOLDEN = [
    ("6.7b", False, 1, 1, 23.060084780401695, 0.32438176, 1.06329752, 12884901511, 12827379447),
    ("6.7b", False, 4, 2, 24.65178867023052, 2.595054048, 7.7895874464, 12884901970, 12654813270),
    ("6.7b", False, 16, 4, 26.45456170681525, 20.76043232, 56.6553272, 12884902200, 11678515501),
    ("6.7b", False, 32, 8, 27.544570962373417, 83.041728, 214.36715264, 12884902400, 10472129000),
    ("6.7b", True, 4, 2, 60.84806129757635, 2.595054048, 1.6121465184, 5821693970, 5574860816),
    ("6.7b", True, 16, 4, 36.82541543447022, 20.76043232, 34.853332736, 12884901600, 11811014920),
    ("30b", False, 1, 1, 0.279350628512725, 3.55748472, 110.993891472, 12884902300, 12784238200),
    ("30b", False, 16, 4, 5.6945163364774025, 93.631296, 266.01294432, 12884901900, 10773725200),
    ("30b", False, 32, 8, 1.7007872224041511, 374.5251792, 4442.0679216, 12884901900, 8662548500),
    ("30b", True, 4, 2, 6.897502360508522, 11.703912, 25.410973296, 12884902000, 12482246770),
    ("30b", True, 32, 8, 4.1920201069589424, 374.5251792, 1579.6639248, 12884901900, 8662548490),
    (
        "175b",
        False,
        1,
        1,
        0.00256518598520256,
        367.6014624,
        12107.1277728,
        12884901900,
        12658704400,
    ),
    ("175b", False, 16, 4, 0.09099506929354, 544.6510656, 21962.0624928, 12884902300, 8662941700),
    ("175b", True, 4, 2, 0.8099839379552303, 68.08138272, 247.974271488, 12884902000, 12086322300),
    ("175b", True, 32, 8, 0.2267491097495586, 2178.604224, 33949.431264, 12884901900, 5646581800),
]
# The same package's search: model, 4 bits, gbs, nb, tokens/s.
GOLDEN_SEARCH = [
    ("6.7b", False, 64, 9, 28.17923134694876),
    ("30b", False, 32, 5, 7.075045966034722),
    ("30b", True, 32, 7, 8.31416520793741),
    ("175b", False, 1, 432, 0.16924881294436078),
    ("175b", True, 3, 13, 1.4096848148074017),
]


def opt(size):
    layers, width, heads = SIZES[size]
    return ModelShape(
        architecture="OPTForCausalLM", layers=layers, width=width, ffn=4 * width, heads=heads,
        kv_heads=heads, head_dim=width // heads, vocab=50272, context=2048, gated=False, tied=True,
        weight_type="float16", layer_values=12 * width**2, layer_vector_values=13 * width,
        embedding_values=(50272 + 2050) * width, head_values=50272 * width + 2 * width,
    )  # fmt: skip


def costs(size, batch, batches, variant="shipped", compress=False):
    work = Workload(prompt=512, tokens=32, batch=batch, batches=batches)
    return published_costs(opt(size), work, Machine(), variant, compress)


@pytest.mark.parametrize(
    "golden", GOLDEN, ids=lambda row: f"{row[0]}-{'4bit' if row[1] else 'fp16'}-{row[2]}x{row[3]}"
)
def test_equals_the_original_cost_model(golden):
    size, compress, gbs, nb, speed, prefill, decode, *peaks = golden
    found = place(costs(size, gbs, nb, compress=compress), T4)
    assert found.tokens_per_s == pytest.approx(speed, rel=1e-6)
    assert found.phases["prefill"] == pytest.approx(prefill, rel=1e-6)
    assert found.phases["decode"] == pytest.approx(decode, rel=1e-6)
    # The peaks of equally fast placements may differ below the cap; the larger of them may not.
    assert found.memory["device"] <= 0.8 * T4.limits["device"] * (1 + 1e-6)
    if max(peaks) > 0.799 * T4.limits["device"]:
        assert found.memory["device"] == pytest.approx(max(peaks), rel=1e-6)


@pytest.mark.parametrize(("size", "compress", "gbs", "nb", "speed"), GOLDEN_SEARCH)
def test_finds_the_block_that_the_original_search_finds(size, compress, gbs, nb, speed):
    found = search(lambda batch, batches: costs(size, batch, batches, compress=compress), T4)
    assert (found.batch, found.batches) == (gbs, nb)
    assert found.placement.tokens_per_s == pytest.approx(speed, rel=1e-6)


def test_where_the_original_finds_no_placement_neither_do_we():
    with pytest.raises(InfeasibleError):
        place(costs("175b", 32, 8), T4)


def test_a_layer_of_opt_30b_is_1176_mib():
    assert layer_bytes(opt("30b")) == 1176 * 2**20
    assert layer_bytes(opt("30b"), compressed=True) == 294 * 2**20


def test_the_paper_lets_everything_overlap_and_so_promises_more():
    shares = {name: 0.0 for name in SHARES._fields[:-1]} | {"wc": 1.0, "cc": 1.0, "hc": 1.0}
    paper, shipped = (evaluate(costs("30b", 48, 3, v), shares) for v in ("paper", "shipped"))
    assert paper.parts == shipped.parts
    load = paper.parts["decode, ctog"]
    others = max(v for k, v in paper.parts.items() if k.startswith("decode") and "ctog" not in k)
    assert paper.phases["decode"] == pytest.approx(max(load, others))
    assert shipped.phases["decode"] == pytest.approx(load + others)
    assert (paper.model, shipped.model) == ("paper equations", "shipped equations")


def test_decode_parts_are_those_of_the_equations():
    """Section 4.3 by hand, for weights half on the host and half on the disk, cache on the disk."""
    shares = dict(wg=0, wc=0.5, wd=0.5, cg=0, cc=0, cd=1, hg=0, hc=1, hd=0)
    s, n, bls, h1, l, m = 512, 32, 16 * 4, 7168, 48, Machine()  # noqa: E741  the paper's letter
    w = 8 * h1**2 + 4 * h1 * 4 * h1
    parts = evaluate(costs("30b", 16, 4), shares).parts
    times = l * (n - 1)
    assert parts["decode, ctog"] == pytest.approx(times * (w + 2 * h1 * bls) / m.ctog)
    assert parts["decode, gtoc"] == pytest.approx(times * 2 * h1 * bls / m.gtoc_hidden)
    assert parts["decode, dtoc"] == pytest.approx(
        times * (4 * bls * (s + n / 2) * h1 / m.dtoc + 0.5 * w / (0.95 * m.dtoc))
    )
    assert parts["decode, ctod"] == pytest.approx(times * 4 * bls * h1 / m.ctod_decode)
    attention = 4 * bls * (s + n / 2) * h1 / m.cpu_rate(16, h1)
    products = bls * (8 * h1**2 + 4 * h1 * 4 * h1) / m.mm_decode
    assert parts["decode, compute"] == pytest.approx(times * (attention + products))


def test_attention_on_the_host_is_slower_for_small_batches_and_narrow_models():
    rate = Machine().cpu_rate
    assert rate(64, 4096) == rate(128, 8192) == Machine().cpu
    assert rate(1, 4096) == pytest.approx((1 - 6 * 0.0328) * Machine().cpu)
    assert rate(64, 64) == pytest.approx((1 - 6 * 0.0621) * Machine().cpu)
