"""The next token of every row: the likeliest, or one drawn from the nucleus."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from models.lm.interface import Sampling


class Drawing:
    """Draws tokens for the rows of a batch, each row by random numbers of its own.

    A row's numbers follow from the seed and its prompt alone, so that what is drawn does not
    depend on which other prompts share the batch.
    """

    def __init__(self, sampling: Sampling, prompts: Sequence[Sequence[int]]) -> None:
        self.sampling = sampling
        self._generators = [_generator(sampling.seed, prompt) for prompt in prompts]

    def draw(self, logits: Tensor, rows: Sequence[int]) -> tuple[list[int], list[float]]:
        """Token and its log-probability under the model for logits (B, V) of the rows named.

        The log-probability is the model's own, whatever temperature and nucleus drew the token.
        """
        logprobs = logits.log_softmax(-1)
        if self.sampling.temperature == 0:
            tokens = logits.argmax(-1)
        else:
            tokens = torch.stack(
                [self._drawn(logits[i], self._generators[row]) for i, row in enumerate(rows)]
            )
        told = logprobs.gather(1, tokens.unsqueeze(1)).squeeze(1)
        return tokens.tolist(), told.tolist()

    def _drawn(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """By the inverse of the cumulative distribution over the nucleus, likeliest first."""
        scaled = (logits.double() / self.sampling.temperature).softmax(-1)
        p, order = scaled.sort(descending=True, stable=True)
        before = p.cumsum(0) - p  # mass of all likelier tokens; 0 for the first, which so stays
        mass = torch.where(before < self.sampling.top_p, p, 0.0).cumsum(0)
        u = torch.rand((), generator=generator, dtype=torch.float64) * mass[-1]
        return order[torch.searchsorted(mass, u, right=True).clamp(max=len(order) - 1)]


def _generator(seed: int, prompt: Sequence[int]) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {list(prompt)}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
