"""neuraloperator's FNO and TFNO as operators here: other people's code on the same data.

They are made as the package makes them; TFNO holds its weights as a Tucker decomposition with
about half the numbers. neuraloperator counts modes of both signs, so m modes are 2 m there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from typing import Any

from torch import Tensor, nn

_TUCKER_SHARE = 0.5  # of the full weights' numbers, roughly


class NeuralOperator(nn.Module):
    """(B, C_in, *grid) -> (B, C_out, *grid) by a network of the package neuraloperator.

    Raises ModuleNotFoundError with the cure when the package is missing.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        modes: Sequence[int],
        *,
        width: int,
        layers: int,
        tucker: bool = False,
    ) -> None:
        super().__init__()
        factors = {"factorization": "Tucker", "rank": _TUCKER_SHARE} if tucker else {}
        self.net = fno_class()(
            n_modes=tuple(2 * m for m in modes),
            in_channels=channels[0],
            out_channels=channels[1],
            hidden_channels=width,
            n_layers=layers,
            **factors,
        )
        self.register_state_dict_post_hook(_without_notes)  # type: ignore[no-untyped-call]

    def encode(self, u: Tensor) -> Tensor:
        """Fields as they are."""
        return u

    def decode(self, y: Tensor, shape: Sequence[int]) -> Tensor:
        return y

    def run(self, u: Tensor) -> Tensor:
        y: Tensor = self.net(u)
        return y

    def forward(self, u: Tensor) -> Tensor:
        return self.run(u)


def fno_class() -> Callable[..., nn.Module]:
    """neuraloperator's FNO. Raises ModuleNotFoundError with the cure when it is missing."""
    try:
        from neuralop.models import FNO  # type: ignore[import-untyped]
    except (ImportError, PackageNotFoundError) as error:
        raise ModuleNotFoundError(
            "comparing with neuraloperator needs the package neuraloperator: install the extra "
            "'peers'"
        ) from error
    found: Callable[..., nn.Module] = FNO
    return found


def _without_notes(
    module: nn.Module, state: OrderedDict[str, Any], prefix: str, notes: dict[str, Any]
) -> None:
    """The package puts its constructor's arguments among the weights; weights are tensors only."""
    for name in [name for name, value in state.items() if not isinstance(value, Tensor)]:
        del state[name]
