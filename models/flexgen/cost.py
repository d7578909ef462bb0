"""The published cost model of block generation: time and memory as functions of the placement.

Every quantity is affine in the nine shares of a placement, so it is held as the vector of its ten
coefficients (`Affine`): nine for the shares, one for the constant. Written with the unit vectors of
`SHARES`, the equations below read as in section 4.3 and appendix A.3 of the paper and serve the
linear program (models/flexgen/linear_program.py) and the evaluation of a given policy alike.

All is fp16, 2 bytes a value: keys and values of a token take 4 h1 bytes a layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.flexgen.config import ModelShape

Affine = NDArray[np.float64]  # coefficients of wg wc wd cg cc cd hg hc hd and of 1
Variant = Literal["paper", "shipped"]

GIB = float(1 << 30)
_TERA = 1e12


class Shares(NamedTuple):
    """Shares [0..1] of weights w, KV cache c and activations h on device g, host c and disk d.

    `one` is the constant: a number that does not depend on the placement is multiplied by it.
    """

    wg: Affine
    wc: Affine
    wd: Affine
    cg: Affine
    cc: Affine
    cd: Affine
    hg: Affine
    hc: Affine
    hd: Affine
    one: Affine


SHARES = Shares(*np.eye(10))
"""Each share as the affine function that it is of itself."""


@dataclass(frozen=True)
class Workload:
    """One block: `blocks` batches of `batch` requests, each `prompt` tokens in, `tokens` out."""

    prompt: int  # s
    tokens: int  # n
    batch: int  # gbs, requests a device pass
    batches: int  # nb

    @property
    def requests(self) -> int:
        """bls, the requests of the whole block."""
        return self.batch * self.batches


@dataclass(frozen=True)
class Machine:
    """Bandwidths [bytes/s], rates [FLOP/s] and capacities [bytes]; by default the released T4's."""

    device: float = 15 * GIB
    host: float = 200 * GIB
    disk: float = 1500 * GIB
    ctog: float = 12.89 * GIB  # host to device
    gtoc_cache: float = 0.97 * GIB  # device to host
    gtoc_hidden: float = 4.82 * GIB
    dtoc: float = 0.473 * GIB  # disk to host
    ctod_cache_prefill: float = 0.746 * GIB  # host to disk
    ctod_hidden_prefill: float = 2.015 * GIB
    ctod_decode: float = 2.015 * GIB
    mm_prefill: float = 21.24 * _TERA  # matrix products
    mm_decode: float = 4.3 * _TERA
    bmm_prefill: float = 9.97 * _TERA  # attention
    bmm_decode: float = 0.079 * _TERA
    cpu: float = 0.0123 * _TERA  # attention on the host, before `cpu_rate` scales it
    c1: float = 0.0168
    c2: float = 0.0328
    c3: float = 0.0621

    def cpu_rate(self, batch: int, hidden: int) -> float:
        """Rate of attention on the host [FLOP/s]: lower for small batches and narrow models."""
        a, b = max(0.0, math.log2(64 / batch)), max(0.0, math.log2(4096 / hidden))
        return self.cpu * max(0.1, 1 + self.c1 * a * b - self.c2 * a - self.c3 * b)


@dataclass(frozen=True)
class Phase:
    """Something a block does `repeats` times, and how long it takes [s] once."""

    name: str
    repeats: float
    parts: Mapping[str, Affine]  # each kind of work by itself
    bounds: Mapping[str, Affine]  # its time is the largest of these


@dataclass(frozen=True)
class Costs:
    """A block's time and memory as functions of its placement, ready for the linear program."""

    model: str  # which cost model this is
    requests: int
    generated: int  # tokens
    phases: tuple[Phase, ...]
    memory: Mapping[tuple[str, str], Affine]  # peak [bytes] by tier (or "memory") and cause
    fixed: Mapping[str, float]  # shares that may not vary, such as {"hd": 0.0}


def published_costs(
    shape: ModelShape,
    work: Workload,
    machine: Machine,
    variant: Variant = "shipped",
    compress_weights: bool = False,
) -> Costs:
    """The cost model of the paper, or as its released code has it (`variant`).

    They differ in what overlaps and in the working memory of the device: the paper takes the
    largest of all transfers and computations, and of all intermediates; the code adds the weight
    load to everything else in decode, and adds up the intermediates.
    """
    return Costs(
        model=f"{variant} equations",
        requests=work.requests,
        generated=work.requests * work.tokens,
        phases=(
            _prefill(shape, work, machine, variant, layer_bytes(shape, compress_weights)),
            _decode(shape, work, machine, variant, layer_bytes(shape, compress_weights)),
        ),
        memory=_memory(shape, work, variant, layer_bytes(shape, compress_weights)),
        fixed={"hd": 0.0} if variant == "shipped" else {},
    )


def layer_bytes(shape: ModelShape, compressed: bool = False) -> float:
    """w_i: bytes of one layer's weights in fp16; a quarter of that in 4 bits (metadata apart)."""
    h1, h2 = shape.width, shape.ffn
    return (8 * h1**2 + 4 * h1 * h2) / (4 if compressed else 1)


def _prefill(shape: ModelShape, work: Workload, at: Machine, variant: Variant, w: float) -> Phase:
    """A layer over all prompts of the block."""
    s, bls, h1, h2 = work.prompt, work.requests, shape.width, shape.ffn
    _, wc, wd, _, cc, cd, _, hc, hd, one = SHARES
    ctog = (w * (wc + wd) + 2 * s * h1 * bls * (hc + hd)) / at.ctog
    gtoc = (
        4 * (s + 1) * h1 * bls * (cc + cd) / at.gtoc_cache
        + 2 * s * h1 * bls * (hc + hd) / at.gtoc_hidden
    )
    dtoc = (w * wd + 2 * s * h1 * bls * hd) / at.dtoc
    ctod = (
        4 * bls * (s + 1) * h1 * cd / at.ctod_cache_prefill
        + 2 * s * h1 * bls * hd / at.ctod_hidden_prefill
    )
    compute = one * (
        bls * (8 * s * h1**2 + 4 * s * h1 * h2) / at.mm_prefill
        + 4 * bls * s**2 * h1 / at.bmm_prefill
    )
    parts = {"ctog": ctog, "gtoc": gtoc, "dtoc": dtoc, "ctod": ctod, "compute": compute}
    shipped = {"load": ctog + dtoc, "store": gtoc + ctod, "compute": compute}
    return Phase("prefill", shape.layers, parts, parts if variant == "paper" else shipped)


def _decode(shape: ModelShape, work: Workload, at: Machine, variant: Variant, w: float) -> Phase:
    """A layer over one new token of every request, at the mean length s + n/2."""
    s, n, bls, h1, h2 = work.prompt, work.tokens, work.requests, shape.width, shape.ffn
    _, wc, wd, cg, cc, cd, _, hc, hd, one = SHARES
    ctog = (w * (wc + wd) + 2 * h1 * bls * (hc + hd)) / at.ctog
    gtoc = 2 * h1 * bls * (hc + hd) / at.gtoc_hidden
    dtoc = (4 * bls * (s + n / 2) * h1 * cd + 2 * h1 * bls * hd) / at.dtoc + w * wd / (
        0.95 * at.dtoc
    )
    ctod = (4 * bls * h1 * cd + 2 * h1 * bls * hd) / at.ctod_decode
    compute = (
        one * bls * (8 * h1**2 + 4 * h1 * h2) / at.mm_decode
        + 4 * bls * (s + n / 2) * h1 * cg / at.bmm_decode
        + 4 * bls * (s + n / 2) * h1 * (cc + cd) / at.cpu_rate(work.batch, h1)
    )
    parts = {"ctog": ctog, "gtoc": gtoc, "dtoc": dtoc, "ctod": ctod, "compute": compute}
    others = ("gtoc", "dtoc", "ctod", "compute")
    shipped = {f"ctog + {name}": ctog + parts[name] for name in others}
    repeats = shape.layers * (n - 1)
    return Phase("decode", repeats, parts, parts if variant == "paper" else shipped)


def _memory(
    shape: ModelShape, work: Workload, variant: Variant, w: float
) -> dict[tuple[str, str], Affine]:
    """Peak bytes of the three tiers: what lives there, and what passes through."""
    s, n, gbs, bls = work.prompt, work.tokens, work.batch, work.requests
    l, h1, h2, nh = shape.layers, shape.width, shape.ffn, shape.heads  # noqa: E741  the paper's
    wg, wc, wd, cg, cc, cd, hg, hc, hd, one = SHARES

    home = w * l * wg + 2 * s * h1 * bls * hg + 4 * (s + n) * h1 * bls * l * cg
    work_prefill = 2 * w * (one - wg) + 2 * s * h1 * gbs * (one - hg)
    home_decode = w * l * wg + 2 * h1 * bls * hg + 4 * (s + n) * h1 * bls * l * cg
    work_decode = 2 * w * (one - wg) + 2 * h1 * gbs * (one - hg) + 4 * gbs * (s + n) * h1 * cg
    memory: dict[tuple[str, str], Affine] = {}
    if variant == "shipped":
        inter = gbs * (8 * s * h1 + (2 * s * h1 + 2 * nh * s**2) + 8 * s * h1 + 2 * s * h2)
        inter_decode = one * gbs * (8 * h1 + 4 * h1 + 2 * h2 + 2 * h1) + cg * gbs * (
            (2 * h1 + 2 * (s + n) * h1 + 2 * nh * (s + n)) + (2 * (s + n) * h1 + 2 * h1)
        )
        memory["device", "prefill"] = home + work_prefill + one * inter
        memory["device", "decode"] = home_decode + work_decode + inter_decode
    else:
        # The largest of all intermediates, as one row each.
        inters = {
            "qkv": one * 8 * gbs * s * h1,
            "attention": cg * gbs * (4 * s * h1 + 2 * nh * s**2),
            "output": one * 4 * gbs * s * h1,
            "mlp": one * 2 * gbs * s * (h1 + h2),
        }
        inters_decode = {
            "qkv": one * 8 * gbs * h1,
            "attention": cg * gbs * (2 * h1 + 2 * (s + n) * h1 + 2 * nh * (s + n)),
            "output": one * 4 * gbs * h1,
            "mlp": one * 2 * gbs * (h1 + h2),
        }
        for name, one_inter in inters.items():
            memory["device", f"prefill, {name}"] = home + work_prefill + one_inter
        for name, one_inter in inters_decode.items():
            memory["device", f"decode, {name}"] = home_decode + work_decode + one_inter

    kept = s if variant == "shipped" else s + n  # positions of the cache counted in prefill
    memory["host", "prefill"] = (
        w * l * wc
        + 2 * s * h1 * bls * hc
        + 4 * kept * h1 * bls * l * cc
        + w * (one - wg)
        + 2 * s * h1 * gbs * (one - hg)
    )
    memory["host", "decode"] = (
        w * l * wc
        + 2 * h1 * bls * hc
        + 4 * (s + n) * h1 * bls * l * cc
        + w * wd
        + 4 * h1 * gbs * hd
        + 8 * (s + n) * h1 * gbs * cd
        + one * (2 * nh * (s + n) * gbs + 2 * h1 * gbs)
    )
    memory["disk", "all"] = w * l * wd + 2 * s * h1 * bls * hd + 4 * (s + n) * h1 * bls * l * cd
    return memory
