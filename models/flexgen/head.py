"""From the last hidden states to tokens, one slice of the vocabulary at a time."""

from __future__ import annotations

from typing import Protocol

import torch

from models.lm.interface import Sampling


class Reader(Protocol):
    """Takes the logits of one batch, slice by slice, and says what comes of them."""

    def take(self, logits: torch.Tensor, first: int) -> None:
        """Logits (R, some) of tokens from number `first` on; every slice once, in order."""
        ...


class Likeliest:
    """Running maximum, normaliser and, where targets are given, their logits."""

    def __init__(self, rows: int, targets: torch.Tensor | None = None) -> None:
        self.best = torch.full((rows,), -torch.inf)  # (R,)
        self.token = torch.zeros(rows, dtype=torch.long)  # (R,)
        self.normaliser = torch.full((rows,), -torch.inf)  # log of the sum of exponentials
        self.targets = targets
        self.target_logits = torch.zeros(rows)

    def take(self, logits: torch.Tensor, first: int) -> None:
        """The earliest of equal logits wins, as it does in argmax over all."""
        logits = logits.float()
        best, token = logits.max(dim=1)
        better = best > self.best
        self.best = torch.where(better, best, self.best)
        self.token = torch.where(better, token + first, self.token)
        self.normaliser = torch.logaddexp(self.normaliser, logits.logsumexp(dim=1))
        if self.targets is not None:
            at = self.targets - first
            inside = ((at >= 0) & (at < logits.shape[1])).nonzero().squeeze(1)
            self.target_logits[inside] = logits[inside, at[inside]]

    def choose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest tokens (R,) and their log-probabilities (R,)."""
        return self.token, self.best - self.normaliser

    def target_logprobs(self) -> torch.Tensor:
        """Log-probabilities (R,) of the targets."""
        return self.target_logits - self.normaliser


class Drawn:
    """Draws a token of the nucleus; keeps all logits of a batch to do so."""

    def __init__(self, sampling: Sampling, generators: list[torch.Generator]) -> None:
        self._sampling, self._generators = sampling, generators
        self._slices: list[torch.Tensor] = []

    def take(self, logits: torch.Tensor, first: int) -> None:
        """Keeps the slice."""
        del first
        self._slices.append(logits.float())

    def choose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (R,) and their log-probabilities (R,) under the model, before temperature."""
        logits = torch.cat(self._slices, dim=1)
        probability, token = (
            (logits / self._sampling.temperature).softmax(dim=1).sort(dim=1, descending=True)
        )
        before = probability.cumsum(dim=1) - probability
        probability = probability.masked_fill(before >= self._sampling.top_p, 0.0)
        drawn = torch.stack(
            [
                row[torch.multinomial(weights, 1, generator=generator)][0]
                for row, weights, generator in zip(
                    token, probability, self._generators, strict=True
                )
            ]
        )
        logprobs = logits.log_softmax(dim=1).gather(1, drawn[:, None]).squeeze(1)
        return drawn, logprobs
