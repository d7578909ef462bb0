"""How well a model under a policy predicts a text: what 4 bits cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.flexgen.engine import Engine
from models.progress import Progress, silent


@dataclass(frozen=True)
class Perplexity:
    """exp of the mean negative log-probability of a text's tokens."""

    value: float
    tokens: int  # scored


def perplexity(
    engine: Engine, ids: Sequence[int], window: int = 1024, progress: Progress = silent
) -> Perplexity:
    """Perplexity of a text in windows of `window` tokens that do not overlap.

    The first token of a window is not scored, as nothing stands before it. Raises ValueError for a
    text of fewer than two tokens and for a window longer than the context.
    """
    pieces = [ids[start : start + window] for start in range(0, len(ids), window)]
    pairs = [(piece[:1], piece[1:]) for piece in pieces if len(piece) > 1]
    if not pairs:
        raise ValueError(f"perplexity needs at least two tokens, not {len(ids)}")
    logprobs = [value for row, _ in engine.score(pairs, progress) for value in row]
    return Perplexity(math.exp(-math.fsum(logprobs) / len(logprobs)), len(logprobs))
