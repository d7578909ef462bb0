"""The linear program that places weights, cache and activations in the tiers.

For a given block (batch size and number of batches) time and memory are affine in the placement
(models/flexgen/cost.py), so the fastest placement is the solution of a small linear program
(section 4.3). The program's dual values are the worth of memory: how many tokens a second one
more GB of a tier would buy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from models.flexgen.cost import Costs, Shares

GB = 1e9
_NAMES = Shares._fields[:-1]
_TRIPLES = (("wg", "wc", "wd"), ("cg", "cc", "cd"), ("hg", "hc", "hd"))
_SAID = {"memory": "the memory"}
_OPTIMAL, _INFEASIBLE = 0, 2


@dataclass(frozen=True)
class Caps:
    """Capacities [bytes] by tier, or of "memory" for device and host together."""

    limits: Mapping[str, float]  # what has none is not limited
    margin: float = 0.2  # share kept free, for fragmentation and what the equations leave out

    def usable(self, tier: str) -> float:
        """What a plan may fill."""
        return (1 - self.margin) * float(self.limits.get(tier, np.inf))


@dataclass(frozen=True)
class Placement:
    """The fastest placement of one block, what it costs and what more memory would buy."""

    model: str  # the cost model that says so
    shares: Mapping[str, float]  # wg .. hd [0..1]
    seconds: float  # the whole block
    tokens_per_s: float
    phases: Mapping[str, float]  # seconds of each phase of the block
    parts: Mapping[str, float]  # seconds of each kind of work by itself, as "prefill, dtoc"
    memory: Mapping[str, float]  # predicted peak [bytes]
    shadow_prices: Mapping[str, float]  # tokens/s that one more GB of the tier would add


class InfeasibleError(ValueError):
    """No placement fits. The message names the cap that binds and the least that would do."""


def place(costs: Costs, caps: Caps, fixed: Mapping[str, float] | None = None) -> Placement:
    """The fastest placement of a block within `caps`; `fixed` pins shares [0..1] by name.

    Raises InfeasibleError when there is none.
    """
    program = _Program(costs, caps, {**costs.fixed, **(fixed or {})})
    result = program.solve()
    if result is None:
        raise InfeasibleError(program.what_is_missing())
    shares = np.clip(result.x[: len(_NAMES)], 0.0, 1.0)
    duals = result.ineqlin.marginals[program.memory_rows]
    seconds = float(result.fun)
    return Placement(
        **vars(evaluate(costs, dict(zip(_NAMES, shares.tolist(), strict=True))))
        | {
            # d(tokens/s) = -tokens / seconds^2 d(seconds); a marginal is d(seconds) by GB of cap.
            "shadow_prices": {
                tier: -costs.generated
                / seconds**2
                * (1 - caps.margin)
                * float(sum(d for d, t in zip(duals, program.limited, strict=True) if t == tier))
                for tier in dict.fromkeys(program.limited)
            }
        }
    )


def evaluate(costs: Costs, shares: Mapping[str, float]) -> Placement:
    """What a given placement costs, whether or not it fits; it has no shadow prices."""
    at = np.array([*(shares[name] for name in _NAMES), 1.0])
    phases = {
        phase.name: phase.repeats * max(float(bound @ at) for bound in phase.bounds.values())
        for phase in costs.phases
    }
    seconds = sum(phases.values())
    return Placement(
        model=costs.model,
        shares=dict(shares),
        seconds=seconds,
        tokens_per_s=costs.generated / seconds,
        phases=phases,
        parts={
            f"{phase.name}, {name}": phase.repeats * float(part @ at)
            for phase in costs.phases
            for name, part in phase.parts.items()
        },
        memory={
            tier: max((float(row @ at) for (t, _), row in costs.memory.items() if t == tier))
            for tier in dict.fromkeys(tier for tier, _ in costs.memory)
        },
        shadow_prices={},
    )


def fits(placement: Placement, caps: Caps) -> bool:
    """Whether the predicted peaks stay within the caps' usable share."""
    return all(
        placement.memory.get(tier, 0.0) <= caps.usable(tier) * (1 + 1e-9) for tier in caps.limits
    )


class _Program:
    """Rows over the nine shares and the time of each phase, scaled to GB and seconds."""

    def __init__(self, costs: Costs, caps: Caps, fixed: Mapping[str, float]) -> None:
        self.costs, self.caps = costs, caps
        phases, width = costs.phases, len(_NAMES) + len(costs.phases)
        rows: list[NDArray[np.float64]] = []
        limits: list[float] = []
        for i, phase in enumerate(phases):
            for bound in phase.bounds.values():  # bound(shares) - time of the phase <= 0
                row = np.zeros(width)
                row[: len(_NAMES)] = bound[:-1]
                row[len(_NAMES) + i] = -1.0
                rows.append(row)
                limits.append(-float(bound[-1]))
        limited = {key: used for key, used in costs.memory.items() if key[0] in caps.limits}
        self.limited = [tier for tier, _ in limited]
        self.memory_rows = slice(len(rows), len(rows) + len(limited))
        for (tier, _), used in limited.items():
            row = np.zeros(width)
            row[: len(_NAMES)] = used[:-1] / GB
            rows.append(row)
            limits.append((caps.usable(tier) - float(used[-1])) / GB)
        self.a_ub, self.b_ub = np.array(rows), np.array(limits)
        self.a_eq = np.zeros((len(_TRIPLES), width))
        for i, triple in enumerate(_TRIPLES):
            self.a_eq[i, [_NAMES.index(name) for name in triple]] = 1.0
        self.objective = np.zeros(width)
        self.objective[len(_NAMES) :] = [phase.repeats for phase in phases]
        self.bounds: list[tuple[float, float | None]] = [
            (fixed[name], fixed[name]) if name in fixed else (0.0, 1.0) for name in _NAMES
        ]
        self.bounds += [(0.0, None)] * len(phases)

    def solve(self) -> Any | None:
        """scipy's result, or None when nothing is feasible."""
        return self._linprog(self.objective, self.a_ub, self.a_eq, self.bounds)

    def what_is_missing(self) -> str:
        """Which cap binds, and the least of it that would do with the others as they are."""
        tiers = list(dict.fromkeys(self.limited))
        least = {tier: self._least([tier]) for tier in tiers}
        enough = {tier: more for tier, more in least.items() if more is not None}
        if not enough:
            together = self._least(tiers)
            if together is None:
                return "the fixed shares cannot be met whatever the memory"
            said = " and ".join(self._need(tier, usable) for tier, usable in together.items())
            return f"no placement fits: {said}"
        options = [self._need(tier, more[tier]) for tier, more in enough.items() if tier in more]
        return f"no placement fits: {', or '.join(options)}"

    def _need(self, tier: str, usable: float) -> str:
        needed, given = usable / (1 - self.caps.margin), float(self.caps.limits[tier])
        return (
            f"{_SAID.get(tier, f'the {tier} tier')} has {_said(given)} and would need "
            f"{_said(needed)} ({self.caps.margin:.0%} of it kept free)"
        )

    def _least(self, tiers: Sequence[str]) -> dict[str, float] | None:
        """Least usable bytes of `tiers`, together, that make a placement possible."""
        count, width = len(tiers), self.a_ub.shape[1]
        extra = np.zeros((len(self.a_ub), count))
        for i, tier in enumerate(self.limited):
            if tier in tiers:
                extra[self.memory_rows.start + i, tiers.index(tier)] = -1.0
        result = self._linprog(
            np.concatenate([np.zeros(width), np.ones(count)]),
            np.hstack([self.a_ub, extra]),
            np.hstack([self.a_eq, np.zeros((len(self.a_eq), count))]),
            [*self.bounds, *[(0.0, None)] * count],
        )
        if result is None:
            return None
        more = result.x[width:]
        return {
            tier: self.caps.usable(tier) + GB * float(m)
            for tier, m in zip(tiers, more, strict=True)
            if m > 0
        }

    def _linprog(
        self,
        objective: NDArray[np.float64],
        a_ub: NDArray[np.float64],
        a_eq: NDArray[np.float64],
        bounds: Sequence[tuple[float, float | None]],
    ) -> Any | None:
        ones = np.ones(len(_TRIPLES))
        result = linprog(objective, a_ub, self.b_ub, a_eq, ones, bounds=bounds, method="highs")
        if result.status not in (_OPTIMAL, _INFEASIBLE):
            raise RuntimeError(f"the linear program was not solved: {result.message}")
        return result if result.status == _OPTIMAL else None


def _said(size: float) -> str:
    return f"{size / GB:.4g} GB" if size >= GB else f"{1e3 * size / GB:.4g} MB"
