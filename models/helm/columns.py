"""The rows of `rows`, a column at a time: for the plain entries that nearly all files hold.

A suite has millions of stats, and a call for each takes longer than parsing them. Here a column is
one comprehension and its check one look at the types in it. Whatever is not plain (a wrong type, a
number beyond 2^53, half a surrogate pair) makes all of it NotPlainError: `rows` then reads the same
entries one by one and says what is wrong with which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.helm.form import LARGEST, FormError
from models.helm.rows import Perturbations, Row

_NOTHING = type(None)


class NotPlainError(ValueError):
    """Entries that have to be read one by one."""


@dataclass(frozen=True)
class Columns:
    """Columns of equal length by the names of rows.STAT_FIELDS (or INSTANCE_STAT_FIELDS), without
    the five that describe a perturbation: those are `perturbations[of[i]]` in row i."""

    values: Mapping[str, list[Any]]
    perturbations: Sequence[Row]
    of: list[int]
    sizes: list[int]  # rows of every entry


def stat_columns(stats: Sequence[Any]) -> Columns:
    """What rows.stat_rows finds in the array of a stats.json. Raises NotPlainError."""
    try:
        values, perturbations, of = _of_stats(stats)
        means = [stat.get("mean") for stat in stats]
    except (KeyError, TypeError, AttributeError, FormError) as error:
        raise NotPlainError from error
    _numbers(means)
    values["mean"] = [
        total / count if mean is None and count else mean
        for mean, total, count in zip(means, values["sum"], values["count"], strict=True)
    ]
    return Columns(values, perturbations, of, [1] * len(stats))


def instance_stat_columns(entries: Sequence[Any]) -> Columns:
    """What rows.instance_stat_rows finds in the array of a per_instance_stats.json.

    Raises NotPlainError.
    """
    try:
        lists = [entry["stats"] for entry in entries]
        _only(lists, list)
        ids = [entry["instance_id"] for entry in entries]
        trials = [entry.get("train_trial_index", 0) for entry in entries]
        values, perturbations, of = _of_stats([stat for stats in lists for stat in stats])
    except (KeyError, TypeError, AttributeError, FormError) as error:
        raise NotPlainError from error
    _texts(ids)
    _counts(trials)
    sizes = [len(stats) for stats in lists]
    spread = {
        name: [value for value, size in zip(column, sizes, strict=True) for _ in range(size)]
        for name, column in (("instance_id", ids), ("trial", trials))
    }
    return Columns(spread | values, perturbations, of, sizes)


def _of_stats(stats: Sequence[Any]) -> tuple[dict[str, list[Any]], list[Row], list[int]]:
    """Columns of stats, the perturbations among them, and which is whose."""
    names = [stat["name"] for stat in stats]
    values = {
        "metric": [name["name"] for name in names],
        "split": [name.get("split") for name in names],
        "sub_split": [name.get("sub_split") for name in names],
        "count": [stat["count"] for stat in stats],
        "sum": [stat.get("sum", 0) for stat in stats],
        "sum_squared": [stat.get("sum_squared", 0) for stat in stats],
        "min": [stat.get("min") for stat in stats],
        "max": [stat.get("max") for stat in stats],
    }
    _texts(values["metric"])
    _texts(values["split"], _NOTHING)
    _texts(values["sub_split"], _NOTHING)
    _counts(values["count"])
    for name in ("sum", "sum_squared"):
        _only(values[name], int, float)
    for name in ("sum", "sum_squared", "min", "max"):
        _numbers(values[name])
    described = Perturbations()
    places: dict[Row, int] = {described.describe(None): 0}
    of = [
        0 if told is None else places.setdefault(described.describe(told), len(places))
        for told in [name.get("perturbation") for name in names]
    ]
    return values, list(places), of


def _only(values: Sequence[Any], *kinds: type) -> None:
    if not set(map(type, values)) <= set(kinds):
        raise NotPlainError


def _texts(values: Sequence[Any], *more: type) -> None:
    _only(values, str, *more)
    if not all(text is None or text.isascii() for text in set(values)):
        raise NotPlainError


def _counts(values: Sequence[Any]) -> None:
    _only(values, int)
    if values and not 0 <= min(values) <= max(values) < LARGEST:
        raise NotPlainError


def _numbers(values: Sequence[Any]) -> None:
    _only(values, int, float, _NOTHING)
    numbers = [value for value in values if value is not None]
    # A NaN hides from min and max, but not from the sum.
    if numbers and not (
        -LARGEST < min(numbers) and max(numbers) < LARGEST and math.isfinite(sum(numbers))
    ):
        raise NotPlainError
