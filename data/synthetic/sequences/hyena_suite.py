"""The rest of Hyena's synthetics (appendix A.1): majority, counting, linear functions, arithmetic.

Only induction and recall are public code; these are written from the paper's text.
"""

from __future__ import annotations

import numpy as np

from data.synthetic.sequences.examples import IGNORED, Examples


def majority(rng: np.random.Generator, n: int, length: int, vocabulary: int) -> Examples:
    """The most frequent token of `length` random ones, asked for by the token V - 1 at the end.

    Ties are broken by the smaller token.
    """
    if vocabulary < 3:
        raise ValueError("majority: a vocabulary of at least 3")
    rows = rng.integers(0, vocabulary - 1, (n, length))
    counts = (rows[:, :, None] == np.arange(vocabulary - 1)).sum(1)
    return _asked_last(np.column_stack([rows, np.full(n, vocabulary - 1)]), counts.argmax(1))


def counting(rng: np.random.Generator, n: int, length: int, vocabulary: int) -> Examples:
    """How often the last token occurred in the `length` tokens before it, modulo V."""
    rows = rng.integers(0, vocabulary, (n, length))
    asked = rng.integers(0, vocabulary, n)
    counts = (rows == asked[:, None]).sum(1) % vocabulary
    return _asked_last(np.column_stack([rows, asked]), counts)


def linear_functions(rng: np.random.Generator, n: int, points: int, dimension: int) -> Examples:
    """x_1, w x_1, x_2, ... with x, w ~ N(0, I): w x_i is asked for at x_i, for every i.

    A vector a step: x with a 0 after it, and zeros with w x after them; (n, 2 points, d + 1).
    """
    w = rng.standard_normal((n, dimension)) / dimension**0.5
    x = rng.standard_normal((n, points, dimension))
    y = np.einsum("nd,npd->np", w, x)
    inputs = np.zeros((n, 2 * points, dimension + 1), np.float32)
    inputs[:, ::2, :dimension] = x
    inputs[:, 1::2, dimension] = y
    targets = np.full((n, 2 * points), np.nan, np.float32)
    targets[:, ::2] = y
    return Examples(inputs, targets)


def addition(rng: np.random.Generator, n: int, digits: int) -> Examples:
    """Two numbers of D digits and their sum, digit by digit, most significant first, vocabulary 10.

    The sum has D + 1 digits; asked is each of them, nothing at the 2 D - 1 positions before.
    """
    if digits < 1:
        raise ValueError("addition: at least one digit")
    a, b = rng.integers(0, 10**digits, (2, n))
    tens = 10 ** np.arange(digits, -1, -1)
    spelt = [(x[:, None] // tens) % 10 for x in (a, b, a + b)]
    rows = np.concatenate([spelt[0][:, 1:], spelt[1][:, 1:], spelt[2]], 1)
    targets = rows[:, 1:].copy()
    targets[:, : 2 * digits - 1] = IGNORED
    return Examples(rows[:, :-1], targets)


def _asked_last(rows: np.ndarray, answers: np.ndarray) -> Examples:
    targets = np.full(rows.shape, IGNORED, np.int64)
    targets[:, -1] = answers
    return Examples(rows.astype(np.int64), targets)
