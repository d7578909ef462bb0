"""From the last hidden states to tokens, one slice of the vocabulary at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch


class Drawer(Protocol):
    """Draws the next tokens of a batch's sequences."""

    def draw(self, logits: torch.Tensor, rows: Sequence[int]) -> tuple[list[int], list[float]]:
        """Token and log-probability for logits (R, V) of the sequences named."""
        ...


Drawing = Callable[[Sequence[Sequence[int]]], Drawer]  # from a batch's prompts


class Likeliest:
    """Running maximum, normaliser and, where targets are given, their logits.

    Of R rows of logits over the vocabulary, none is ever held whole.
    """

    def __init__(self, rows: int, targets: torch.Tensor | None = None) -> None:
        self._best = torch.full((rows,), -torch.inf)  # (R,)
        self._token = torch.zeros(rows, dtype=torch.long)  # (R,)
        self._normaliser = torch.full((rows,), -torch.inf)  # log of the sum of exponentials
        self._targets = targets
        self._target_logits = torch.zeros(rows)

    def take(self, logits: torch.Tensor, rows: slice, first: int) -> None:
        """Logits (some rows, some tokens) of tokens from number `first` on; all of them, in order.

        The earliest of equal logits wins, as it does in argmax over all.
        """
        logits = logits.float()
        best, token = logits.max(dim=1)
        better = best > self._best[rows]
        self._best[rows] = torch.where(better, best, self._best[rows])
        self._token[rows] = torch.where(better, token + first, self._token[rows])
        self._normaliser[rows] = torch.logaddexp(self._normaliser[rows], logits.logsumexp(dim=1))
        if self._targets is not None:
            at = self._targets[rows] - first
            inside = ((at >= 0) & (at < logits.shape[1])).nonzero().squeeze(1)
            self._target_logits[rows][inside] = logits[inside, at[inside]]

    def choose(self) -> tuple[list[int], list[float]]:
        """The likeliest tokens (R) and their log-probabilities (R)."""
        return self._token.tolist(), (self._best - self._normaliser).tolist()

    def told(self) -> tuple[list[float], list[bool]]:
        """Log-probability of every target, and whether it is the likeliest token."""
        assert self._targets is not None
        logprobs = self._target_logits - self._normaliser
        return logprobs.tolist(), (self._token == self._targets).tolist()


class Drawn:
    """Draws a token of the nucleus; keeps all logits (R, V) of a batch to do so."""

    def __init__(self, drawer: Drawer, rows: int, vocab: int) -> None:
        self._drawer = drawer
        self._logits = torch.empty(rows, vocab)

    def take(self, logits: torch.Tensor, rows: slice, first: int) -> None:
        """Keeps a slice."""
        self._logits[rows, first : first + logits.shape[1]] = logits

    def choose(self) -> tuple[list[int], list[float]]:
        """Tokens (R) and their log-probabilities (R) under the model, before temperature."""
        return self._drawer.draw(self._logits, range(len(self._logits)))
