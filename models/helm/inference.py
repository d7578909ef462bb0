"""What differences between models are worth: intervals, paired tests, groups of ties.

HELM prints rates to three decimals and no interval. A table's columns are the sample here: they
are drawn with replacement for intervals, and their differences flip sign in tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LEVEL = 0.05
_EXACT = 12  # columns up to which every choice of signs is tried
_FLIPS = 10_000
_ALL_PAIRS = 24  # rows beyond which only neighbours in rank are compared
_CHUNK = 2_000  # pairs at a time

Scores = Mapping[int, Mapping[str, float]]
"""Column -> row -> value, higher is better."""


@dataclass(frozen=True)
class Comparison:
    """Two rows over the columns that both have; `row` has the higher mean win rate."""

    row: str
    other: str
    n_columns: int
    wins: int
    losses: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    separable: bool


def bootstrap_mean(
    values: Sequence[float] | np.ndarray, draws: int, seed: int
) -> tuple[float, float]:
    """95 % percentile interval of the mean of n >= 1 values drawn with replacement."""
    x = np.asarray(values, dtype=np.float64)
    weights = np.random.default_rng(seed).multinomial(len(x), np.full(len(x), 1 / len(x)), draws)
    low, high = np.quantile(weights @ x / len(x), [LEVEL / 2, 1 - LEVEL / 2])
    # Sums in another order may pass the mean by a rounding error where all values are one.
    return float(min(low, x.mean())), float(max(high, x.mean()))


def win_rates(scores: Scores) -> dict[str, dict[int, float]]:
    """Row -> column -> share of the other rows beaten, ties half; columns of one value left out."""
    rates: dict[str, dict[int, float]] = {}
    for column, values in scores.items():
        if len(values) < 2:
            continue
        x = np.array(list(values.values()))
        order = np.sort(x)
        worse = np.searchsorted(order, x, "left")
        tied = np.searchsorted(order, x, "right") - worse - 1
        for row, rate in zip(values, (worse + tied / 2) / (len(x) - 1), strict=True):
            rates.setdefault(row, {})[column] = float(rate)
    return rates


def compare(scores: Scores, draws: int, seed: int) -> list[Comparison]:
    """Every two rows of a table, best first; p-values are Holm-corrected into `separable`.

    Of more than 24 rows only neighbours in rank are compared: it is they who are hard to tell.
    """
    rates = win_rates(scores)
    ranked = _ranked(rates)
    pairs = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
    if len(ranked) > _ALL_PAIRS:
        pairs = list(pairwise(ranked))
    differences = [_differences(rates, a, b) for a, b in pairs]
    p = p_values(differences, seed)
    separable = _holm(p)
    found = []
    for (row, other), d, value, apart in zip(pairs, differences, p, separable, strict=True):
        if not len(d):
            found.append(Comparison(row, other, 0, 0, 0, None, None, None, None, separable=False))
            continue
        low, high = bootstrap_mean(d, draws, seed)
        wins, losses = int((d > 0).sum()), int((d < 0).sum())
        mean = float(d.mean())
        found.append(
            Comparison(row, other, len(d), wins, losses, mean, low, high, value, separable=apart)
        )
    return found


def tie_groups(scores: Scores, seed: int) -> dict[str, int]:
    """Row -> number of its group, from 1: from the best row on, a group holds all that follow its
    first row in rank until one differs from that row at the 5 % level."""
    rates = win_rates(scores)
    groups: dict[str, int] = {}
    best, number = "", 0
    for row in _ranked(rates):
        p = p_values([_differences(rates, best, row)], seed)[0] if best else 0.0
        if p is not None and p < LEVEL:
            best, number = row, number + 1
        groups[row] = max(number, 1)
    return groups


def p_values(differences: Sequence[np.ndarray], seed: int) -> list[float | None]:
    """Two-sided sign-flip permutation tests that differences (n,) are symmetric about 0.

    All 2^n choices of signs up to n = 12, 10,000 random ones beyond. None without any difference
    to look at.
    """
    found: list[float | None] = [None] * len(differences)
    by_length: dict[int, list[int]] = {}
    for i, d in enumerate(differences):
        by_length.setdefault(len(d), []).append(i)
    for n, members in by_length.items():
        if n == 0:
            continue
        signs = _signs(n, seed)  # (choices, n)
        for start in range(0, len(members), _CHUNK):
            chunk = members[start : start + _CHUNK]
            d = np.stack([differences[i] for i in chunk], axis=1)  # (n, pairs)
            reached = np.abs(signs @ d) >= np.abs(d.sum(axis=0)) - 1e-12
            count = reached.sum(axis=0)
            # Of random choices the observed one is one more.
            p = count / len(signs) if n <= _EXACT else (count + 1) / (len(signs) + 1)
            for i, value in zip(chunk, p, strict=True):
                found[i] = float(value)
    return found


def _ranked(rates: Mapping[str, Mapping[int, float]]) -> list[str]:
    means = {row: np.mean(list(of_row.values())) for row, of_row in rates.items()}
    return sorted(rates, key=lambda row: (-means[row], row))


def _differences(rates: Mapping[str, Mapping[int, float]], a: str, b: str) -> np.ndarray:
    shared = [column for column in rates[a] if column in rates[b]]
    return np.array([rates[a][column] - rates[b][column] for column in shared])


def _signs(n: int, seed: int) -> np.ndarray:
    if n <= _EXACT:
        return 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    return np.random.default_rng(seed).choice([-1, 1], size=(_FLIPS, n))


def _holm(p: Sequence[float | None]) -> list[bool]:
    """Which hypotheses fall at the 5 % level when all of them are tested."""
    known = sorted((value, i) for i, value in enumerate(p) if value is not None)
    fallen = [False] * len(p)
    for rank, (value, i) in enumerate(known):
        if value > LEVEL / (len(known) - rank):
            break
        fallen[i] = True
    return fallen
