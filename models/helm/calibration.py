"""How far a model's confidence p in its answers is from how often it is right (y 0 or 1).

HELM's definitions (its calibration metrics, after the package uncertainty-calibration): expected
calibration error over bins of equal mass, the area under the coverage-accuracy curve, and both
after Platt scaling.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

_EPSILON = 1e-12
_BINS = 10
_CONFIDENT = 0.1  # share of the answers that selective_acc@10 keeps


def calibration(p: np.ndarray, y: np.ndarray) -> Mapping[str, float]:
    """All calibration metrics of n answers: p float64 (n,) in [0, 1], y 0 or 1 (n,), n >= 1.

    Platt's coefficient and intercept are left out where all answers are right or all are wrong:
    there is nothing to fit, and its errors are then 0 by definition.
    """
    area, confident = selective(p, y)
    found = {
        "ece_10_bin": expected_error(p, y, equal_mass_bins(p, _BINS)),
        "ece_1_bin": expected_error(p, y, np.array([1.0])),
        "selective_cov_acc_area": area,
        "selective_acc@10": confident,
        "platt_ece_10_bin": 0.0,
        "platt_ece_1_bin": 0.0,
    }
    if 0 < y.sum() < len(y):
        coefficient, intercept, scaled = platt(p, y)
        found |= {
            "platt_coef": coefficient,
            "platt_intercept": intercept,
            "platt_ece_10_bin": expected_error(scaled, y, equal_mass_bins(scaled, _BINS)),
            "platt_ece_1_bin": expected_error(scaled, y, np.array([1.0])),
        }
    return found


def equal_mass_bins(p: np.ndarray, bins: int) -> np.ndarray:
    """Upper bounds of `bins` bins (n where fewer points) with near-equal numbers of points."""
    parts = np.array_split(np.sort(p), min(bins, len(p)))
    middles = [(low[-1] + high[0]) / 2 for low, high in pairwise(parts)]
    return np.unique([*middles, 1.0])


def equal_width_bins(bins: int) -> np.ndarray:
    """Upper bounds of `bins` bins of equal width over [0, 1]."""
    return np.arange(1, bins + 1) / bins


def expected_error(p: np.ndarray, y: np.ndarray, bounds: np.ndarray) -> float:
    """sum_b n_b / n |mean p_b - mean y_b| over the bins with these upper bounds."""
    place = np.searchsorted(bounds, p)
    counts = np.bincount(place, minlength=len(bounds))
    gaps = np.bincount(place, weights=p, minlength=len(bounds)) - np.bincount(
        place, weights=y, minlength=len(bounds)
    )
    return float(np.abs(gaps[counts > 0]).sum() / len(p))


def selective(p: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean of the running accuracies from the most confident answer on, and the top tenth's."""
    accuracy = np.cumsum(y[np.argsort(-p)]) / np.arange(1, len(y) + 1)
    return float(accuracy.mean()), float(accuracy[int(_CONFIDENT * len(y))])


def platt(p: np.ndarray, y: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Coefficient and intercept of a logistic regression of y on logit p, and the p it gives."""
    from sklearn.linear_model import LogisticRegression

    clipped = np.clip(p, _EPSILON, 1 - _EPSILON)
    logit = np.log(clipped / (1 - clipped))
    fitted = LogisticRegression(C=1e10, solver="lbfgs").fit(logit[:, None], y)
    coefficient, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return coefficient, intercept, 1 / (1 + np.exp(-(logit * coefficient + intercept)))
