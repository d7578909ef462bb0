"""What a classifier of series has to beat: the commonest label, neighbours, a linear map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from models.spacetime.windows import Array


def majority(labels: Sequence[str], count: int) -> list[str]:
    """The commonest train label, `count` times; of equally common ones the first in order."""
    counts = Counter(labels)
    return [min(counts, key=lambda label: (-counts[label], label))] * count


def nearest_neighbour(
    train: Sequence[Array], labels: Sequence[str], test: Sequence[Array]
) -> list[str]:
    """The label of the closest train series, by Euclid's distance of `stretched` series."""
    rows, queries = _standardised(train, test)
    squares = np.square(rows).sum(axis=1) - 2 * queries @ rows.T
    return [labels[i] for i in squares.argmin(axis=1)]


def logistic_regression(
    train: Sequence[Array], labels: Sequence[str], test: Sequence[Array]
) -> list[str]:
    """Multinomial logistic regression on all values of `stretched` series, L2 penalty 1."""
    from sklearn.linear_model import LogisticRegression

    rows, queries = _standardised(train, test)
    fitted = LogisticRegression(max_iter=1000).fit(rows, list(labels))
    found: list[str] = fitted.predict(queries).tolist()
    return found


def stretched(series: Sequence[Array], length: int) -> Array:
    """Series (C, L_i), each channel read linearly at `length` even places: (n, C * length)."""
    rows = []
    for one in series:
        places = np.linspace(0, one.shape[1] - 1, length)
        rows.append([np.interp(places, np.arange(one.shape[1]), channel) for channel in one])
    return np.array(rows).reshape(len(series), -1)


def _standardised(train: Sequence[Array], test: Sequence[Array]) -> tuple[Array, Array]:
    length = int(np.median([one.shape[1] for one in train]))
    rows, queries = stretched(train, length), stretched(test, length)
    mean, std = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    return (rows - mean) / std, (queries - mean) / std
