"""What scores say about the paper's claims: means with intervals, and whether each claim holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.collage.config import SampleConfig
from models.collage.methods import LEVELS, STRENGTHS, compared, one_layer

Floats = NDArray[np.float64]

# By collage: means over its layers and seeds; all methods over the same collages.
Means = Mapping[tuple[str, str], Floats]  # (method, metric) to (collages,)

SWEPT = 1  # number of the layer whose noise `one_layer` sweeps
_SWEEPS = frozenset(method.name for method in one_layer(SampleConfig()))


class Interval(NamedTuple):
    """A mean with the middle 95 % of its bootstrap over collages."""

    mean: float
    low: float
    high: float


class Finding(NamedTuple):
    """One claim, measured."""

    finding: str
    interval: Interval
    bar: float
    holds: bool
    detail: str


def sweeps(method: str) -> bool:
    """Whether a method is one of those that sweep one layer's noise."""
    return method in _SWEEPS


def interval(values: Floats, resamples: int, seed: int) -> Interval:
    """The mean of values by collage (n,); NaN where a collage has none."""
    return bootstrap(lambda rows: float(np.nanmean(values[rows])), len(values), resamples, seed)


def bootstrap(
    of: Callable[[NDArray[np.int64]], float], n: int, resamples: int, seed: int
) -> Interval:
    """A statistic of n collages, given as a function of the rows that it is taken over."""
    rng = np.random.default_rng(seed)
    drawn = [of(rng.integers(0, n, n)) for _ in range(resamples)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Interval(of(np.arange(n)), float(low), float(high))


def findings(means: Means, resamples: int, seed: int) -> list[Finding]:
    """The paper's claims on these scores.

    Raises ValueError where a method is not among them that a claim compares.
    """
    needed = {m.name for m in (*compared(SampleConfig()), *one_layer(SampleConfig()))}
    lacking = needed - {method for method, _ in means} - {"control", "words", "edges"}
    if lacking:
        raise ValueError(f"findings compare methods that were not run: {sorted(lacking)}")
    n = len(next(iter(means.values())))

    def measured(of: Callable[[NDArray[np.int64]], float]) -> Interval:
        return bootstrap(of, n, resamples, seed)

    ahead = measured(lambda rows: _gap(means, rows, "full", "iou"))
    curve = measured(lambda rows: _curve(means, rows, "delta_e"))
    guard = measured(
        lambda rows: min(
            _mean(means, rows, "composite", "iou") - _mean(means, rows, "full", "iou"),
            _mean(means, rows, "full", "iou") - _mean(means, rows, "text only", "iou"),
        )
    )
    harmony = measured(
        lambda rows: _mean(means, rows, "full", "real") - _mean(means, rows, "composite", "real")
    )
    inside, outside = (
        measured(lambda rows, metric=metric: _correlation(means, rows, metric))  # type: ignore[misc]
        for metric in ("change", "outside")
    )
    leak = measured(lambda rows: _leak(means, rows))
    equal = (
        "SDEdit's value is read off its curve over strengths at the same probability of real, "
        "or is its most real one's where none looks as real"
    )
    return [
        Finding(
            "spatial IoU of the full method over SDEdit's at equal harmonisation",
            ahead, 0.1, ahead.mean >= 0.1 and ahead.low > 0, equal,
        ),
        Finding(
            "appearance of per-layer noise over SDEdit's at equal harmonisation [delta E]",
            curve, 0.0, curve.low > 0, f"{_by_noise(means, n, 'delta_e')}; {equal}",
        ),
        *_likeness(means, n, measured),
        Finding(
            "text alone and the raw composite bracket the full method's IoU",
            guard, 0.0, guard.low > 0, "the smaller of the two distances",
        ),
        Finding(
            "the full method looks more real than the raw composite",
            harmony, 0.0, harmony.low > 0, "difference of the judge's mean probability",
        ),
        Finding(
            "correlation of a layer's noise with the change inside its mask",
            inside, 0.9, inside.mean >= 0.9, f"of means over collages at noise {LEVELS}",
        ),
        Finding(
            "correlation of a layer's noise with the change outside of its mask",
            outside, 0.3, abs(outside.mean) <= 0.3,
            "likewise; at most, of either sign; it knows no size, which stands apart",
        ),
        Finding(
            "size of the change outside of the mask for that inside",
            leak, 0.1, leak.high < 0.1,
            "slope over noise outside by that inside, latents of the mask's edge included; at most",
        ),
    ]  # fmt: skip


def _mean(means: Means, rows: NDArray[np.int64], method: str, metric: str) -> float:
    return float(np.nanmean(means[method, metric][rows]))


def _sdedit(means: Means, rows: NDArray[np.int64], metric: str, real: float) -> float:
    """SDEdit's value of a metric where it looks as real, between strengths by straight lines."""
    methods = ["composite", *(f"sdedit {s:g}" for s in STRENGTHS)]
    x = np.array([_mean(means, rows, m, "real") for m in methods])
    y = np.array([_mean(means, rows, m, metric) for m in methods])
    order = np.argsort(x)
    return float(np.interp(real, x[order], y[order]))


def _gap(means: Means, rows: NDArray[np.int64], method: str, metric: str) -> float:
    real = _mean(means, rows, method, "real")
    return _mean(means, rows, method, metric) - _sdedit(means, rows, metric, real)


def _ahead(means: Means, rows: NDArray[np.int64], metric: str) -> Sequence[float]:
    """How much closer to the layers' looks than SDEdit, by noise of objects (positive: ours)."""
    sign = -1 if metric == "delta_e" else 1
    return [sign * _gap(means, rows, f"layers {s:g}", metric) for s in STRENGTHS]


def _curve(means: Means, rows: NDArray[np.int64], metric: str) -> float:
    return float(np.mean(_ahead(means, rows, metric)))


def _by_noise(means: Means, n: int, metric: str) -> str:
    by = zip(STRENGTHS, _ahead(means, np.arange(n), metric), strict=True)
    return "mean over objects' noise: " + ", ".join(f"{v:+.2f} at {s:g}" for s, v in by)


def _likeness(
    means: Means, n: int, measured: Callable[[Callable[[NDArray[np.int64]], float]], Interval]
) -> list[Finding]:
    """The same of ImageNet features, where their package was there to judge."""
    if ("composite", "cosine") not in means:
        return []
    curve = measured(lambda rows: _curve(means, rows, "cosine"))
    return [
        Finding(
            "appearance of per-layer noise over SDEdit's at equal harmonisation [cosine]",
            curve, 0.0, curve.low > 0,
            f"EfficientNet-Lite0's features; {_by_noise(means, n, 'cosine')}",
        )
    ]  # fmt: skip


def _course(means: Means, rows: NDArray[np.int64], metric: str) -> Sequence[float]:
    return [_mean(means, rows, f"one layer {level:g}", metric) for level in LEVELS]


def _correlation(means: Means, rows: NDArray[np.int64], metric: str) -> float:
    course = _course(means, rows, metric)
    return float(np.corrcoef(LEVELS, course)[0, 1]) if np.ptp(course) > 1e-9 else 0.0


def _leak(means: Means, rows: NDArray[np.int64]) -> float:
    """Slope of the change outside of the swept layer's mask over its noise, by that inside.

    A layer whose noise is 0 does not change at all, whatever this layer does. What is left is
    freedom of the others: about half lies in latents that the mask's edge crosses, which have a
    noise in between, the rest near by, light and shadow on a ground that is free itself.
    """
    outside, inside = (
        np.polyfit(LEVELS, _course(means, rows, metric), 1)[0] for metric in ("outside", "change")
    )
    return abs(float(outside / inside))
