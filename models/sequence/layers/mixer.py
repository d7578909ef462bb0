"""What every mixer offers: whole sequences at once, or a prompt and then one step after another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

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
