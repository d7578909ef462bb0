"""scikit-learn's 8 x 8 digits as sequences of 64 pixels, one a step: sequential MNIST in small."""

from __future__ import annotations

import numpy as np

from data.synthetic.sequences.examples import Examples


def sequential_digits(seed: int, test: bool) -> Examples:
    """1,797 images, 20 % of them for testing; split by the seed. (n, 64, 1) to classes (n,)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    rows = order[: len(order) // 5] if test else order[len(order) // 5 :]
    inputs = (images[rows, :, None] / 8 - 1).astype(np.float32)
    return Examples(inputs, labels[rows].astype(np.int64))
