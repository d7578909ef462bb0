"""scikit-learn's 8 x 8 digits as sequences of 64 pixels, one a step: sequential MNIST in small."""

from __future__ import annotations

import numpy as np

from data.synthetic.sequences.examples import Examples, Split


def sequential_digits(seed: int, split: Split) -> Examples:
    """1,797 images: 20 % to test, 10 % to validate, by the seed. (n, 64, 1) to classes (n,)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    parts = np.split(order, [len(images) // 5, 3 * len(images) // 10])
    rows = dict(zip(("test", "validation", "train"), parts, strict=True))[split]
    inputs = (images[rows, :, None] / 8 - 1).astype(np.float32)
    return Examples(inputs, labels[rows].astype(np.int64))
