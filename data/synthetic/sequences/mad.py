"""The six tasks of MAD (Poli et al., Mechanistic Design and Scaling of Hybrid Architectures, 2024).

Recall tasks train on every following token and are scored where an answer can be known. The last
tokens of the vocabulary are special where a task says so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.synthetic.sequences.examples import IGNORED, Examples, distinct, next_tokens

_MAP_SEED = 12345  # of memorisation's one map, as published
_NOISE = 0.2  # share of pairs that are noise in noisy recall
_COPIED = 16  # tokens to copy in selective copying
_MOTIF = 3  # most tokens of a motif in fuzzy recall


def mad(
    name: str,
    rng: np.random.Generator,
    n: int,
    length: int,
    vocabulary: int,
    *,
    scored_only: bool,
) -> Examples:
    """n examples of one task by its name in problems.py. Raises ValueError for sizes too small."""
    if vocabulary < 8 or length < 8:
        raise ValueError(f"{name}: a length and a vocabulary of at least 8")
    match name:
        case "mad_recall" | "mad_noisy_recall":
            noise = 0.0 if name == "mad_recall" else _NOISE
            return _recall(rng, n, length, vocabulary, noise=noise, scored_only=scored_only)
        case "mad_fuzzy_recall":
            return _fuzzy_recall(rng, n, length, vocabulary, scored_only)
        case "mad_copying":
            return _copying(rng, n, length, vocabulary)
        case "mad_memorisation":
            return _memorisation(rng, n, length, vocabulary)
        case "mad_compression":
            return _compression(rng, n, length, vocabulary)
    raise ValueError(f"no MAD task is called {name}")


def _recall(
    rng: np.random.Generator,
    n: int,
    length: int,
    vocabulary: int,
    *,
    noise: float,
    scored_only: bool,
) -> Examples:
    """Keys (first half of the vocabulary) and values (second), a fresh map an example.

    A value is scored when its key came before. With noise the upper half of the vocabulary is noise
    that replaces pairs, the first one excepted.
    """
    known = vocabulary // 2 if noise else vocabulary
    half, pairs = known // 2, length // 2
    values = half + rng.integers(0, half, (n, half))
    keys = rng.integers(0, half, (n, pairs))
    real = rng.random((n, pairs)) >= noise
    real[:, 0] = True
    # The last pair asks for a key that was there.
    real[:, -1] = True
    keys[:, -1] = keys[:, 0]
    rows = np.empty((n, 2 * pairs), np.int64)
    rows[:, ::2] = np.where(real, keys, rng.integers(known, vocabulary, keys.shape) if noise else 0)
    found = np.take_along_axis(values, keys, 1)
    rows[:, 1::2] = np.where(
        real, found, rng.integers(known, vocabulary, keys.shape) if noise else 0
    )
    if not scored_only:
        return Examples(rows, next_tokens(rows))
    targets = np.full(rows.shape, IGNORED, np.int64)
    seen = np.zeros((n, half), bool)
    every = np.arange(n)
    for i in range(pairs):
        again = real[:, i] & seen[every, keys[:, i]]
        targets[again, 2 * i] = found[again, i]
        seen[every, keys[:, i]] |= real[:, i]
    return Examples(rows, targets)


def _fuzzy_recall(
    rng: np.random.Generator, n: int, length: int, vocabulary: int, scored_only: bool
) -> Examples:
    """Keys and values are motifs of 1 to 3 different tokens; keys of 3 when scored.

    The last token id pads on the left. The pair asked for at the end was planted before.
    """
    half = (vocabulary - 1) // 2
    rows = np.full((n, length), vocabulary - 1, np.int64)
    targets = np.full((n, length), IGNORED, np.int64)
    for i in range(n):
        known: dict[tuple[int, ...], NDArray[np.int64]] = {}

        def key(known: dict[tuple[int, ...], NDArray[np.int64]] = known) -> tuple[int, ...]:
            size = _MOTIF if scored_only else int(rng.integers(1, _MOTIF + 1))
            fresh = tuple(rng.permutation(half)[:size].tolist())
            if fresh not in known:
                width = int(rng.integers(1, _MOTIF + 1))
                known[fresh] = half + rng.permutation(half)[:width]
            return fresh

        asked = key()
        parts = [(asked, known[asked])]
        used = 2 * (len(asked) + len(known[asked]))
        while used + 2 * _MOTIF <= length:
            other = key()
            parts.append((other, known[other]))
            used += len(other) + len(known[other])
        order = rng.permutation(len(parts))
        written = [parts[j] for j in order] + [parts[0]]
        tokens = np.concatenate([np.concatenate(part) for part in written]).astype(np.int64)
        rows[i, length - len(tokens) :] = tokens
        answer = len(known[asked])
        targets[i, length - answer - 1 : length - 1] = tokens[-answer:]
    return Examples(rows, targets if scored_only else next_tokens(rows))


def _copying(rng: np.random.Generator, n: int, length: int, vocabulary: int) -> Examples:
    """16 tokens among blanks (V - 2), "copy" (V - 1), then blanks where they must come in order."""
    copied = min(_COPIED, length // 4)
    before = length - copied - 1
    rows = np.full((n, length), vocabulary - 2, np.int64)
    tokens = rng.integers(0, vocabulary - 2, (n, copied))
    places = np.sort(distinct(rng, n, 0, before, copied), 1)
    np.put_along_axis(rows, places, tokens, 1)
    rows[:, before] = vocabulary - 1
    targets = np.full((n, length), IGNORED, np.int64)
    targets[:, before + 1 :] = tokens
    return Examples(rows, targets)


def _memorisation(rng: np.random.Generator, n: int, length: int, vocabulary: int) -> Examples:
    """Keys, each followed by "insert" (V - 1): there the value of one map for all examples."""
    half = (vocabulary - 1) // 2
    values = half + np.random.default_rng(_MAP_SEED).permutation(half)
    keys = rng.integers(0, half, (n, length // 2))
    rows = np.full((n, length // 2 * 2), vocabulary - 1, np.int64)
    rows[:, ::2] = keys
    targets = np.full(rows.shape, IGNORED, np.int64)
    targets[:, 1::2] = values[keys]
    return Examples(rows, targets)


def _compression(rng: np.random.Generator, n: int, length: int, vocabulary: int) -> Examples:
    """L - 1 tokens and "compress" (V - 1), then as many "compress", where they must come again.

    MAD decodes the last state with an MLP of its own; here the model itself writes the tokens, so
    that layers which reach back may read them again instead of compressing them.
    """
    tokens = rng.integers(0, vocabulary - 1, (n, length - 1))
    rows = np.concatenate([tokens, np.full((n, length), vocabulary - 1)], 1)
    targets = np.full(rows.shape, IGNORED, np.int64)
    targets[:, length:] = tokens
    return Examples(rows, targets)
