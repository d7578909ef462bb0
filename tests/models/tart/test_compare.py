"""Arrays in, probabilities out: whatever was measured of an item is a row of numbers."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from models.tart.choice import choose
from models.tart.compare import compare
from models.tart.config import SMALL
from models.tart.shipped import shipped_weights
from models.tart.train import head_from_bytes

X, Y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.fixture(scope="module")
def head():
    return head_from_bytes(shipped_weights("small"), SMALL)


@pytest.mark.parametrize("k", [18, 48], ids="k{}".format)
def test_any_array_is_classified_from_a_few_rows(head, k):
    shots, queries = choose([str(label) for label in Y], k, 0, 300)
    found = compare(head, X[shots], Y[shots], X[queries], 2)
    right = {name: ((p.argmax(1)) == Y[queries]).mean() for name, p in found.items()}
    for p in found.values():
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)
    assert right["tart"] > np.mean(Y[queries] == 1) + 0.15
    assert right["tart"] >= right["logistic regression"] - 0.01


def test_what_is_missing_is_refused(head):
    queries = X[100:110].copy()
    queries[3, 5] = np.nan
    with pytest.raises(
        ValueError, match="1 of 10 representations hold NaN or infinity, first row 3"
    ):
        compare(head, X[:20], Y[:20], queries, 2)
