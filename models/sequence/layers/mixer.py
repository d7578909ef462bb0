"""What every mixer offers: whole sequences at once, or a prompt and then one step after another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]
"""The output (B, D) for the next input (B, D) of a sequence already begun."""


class Rate(NamedTuple):
    """How a parameter is fitted unlike the rest; its weight decay is 0."""

    highest: float  # learning rate


class Mixer(nn.Module):
    """Mixes the positions of a sequence without looking ahead."""

    rates: Mapping[str, Rate]
    """Parameters of this module itself that have a rate of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = {}

    @abstractmethod
    def forward(self, u: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""

    @abstractmethod
    def begin(self, u: Tensor, steps: int) -> tuple[Tensor, Step]:
        """Outputs (B, P, D) for a prompt u (B, P, D), and how it goes on for up to `steps`.

        Without gradients. Raises ValueError when the prompt is empty.
        """


def to_channels(linear: nn.Linear, u: Tensor) -> Tensor:
    """linear(u) with time in rows: (B, L, D) -> (B, E, L), contiguous, without a copy of it."""
    weight = linear.weight.expand(len(u), -1, -1)
    return torch.baddbmm(linear.bias.unsqueeze(-1), weight, u.transpose(1, 2))


def from_channels(linear: nn.Linear, y: Tensor) -> Tensor:
    """The linear map of rows of time back to steps: (B, D, L) -> (B, L, E), contiguous."""
    weight = linear.weight.T.expand(len(y), -1, -1)
    return torch.baddbmm(linear.bias, y.transpose(1, 2), weight)
