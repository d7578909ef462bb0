"""What the engine asks of a decoder: tensor names, its shape, and the maths between two tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Weights = Mapping[str, torch.Tensor]  # one layer's tensors by their short names
Rotation = tuple[torch.Tensor, torch.Tensor]  # cosine and sine, each (B, L, 1, rotated)


class Attend(Protocol):
    """Attention over all positions so far; the engine knows where their keys and values are."""

    def __call__(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """q (B, L, heads, head_dim), k and v (B, L, kv_heads, head_dim) to (B, L, heads * dim)."""
        ...


class Adapter(ABC):
    """One architecture. Optional biases that a file does not have are left out of `Weights`."""

    prefixes: ClassVar[tuple[str, ...]]  # of tensor names, as different exports write them
    token_table: ClassVar[str]  # names below carry no prefix
    position_table: ClassVar[str | None] = None
    position_offset: ClassVar[int] = 0  # row of the first position
    layer_prefix: ClassVar[str]  # with {} for the number of the layer
    layer_parts: ClassVar[tuple[str, ...]]  # in the order in which they are placed
    final_parts: ClassVar[tuple[str, ...]]  # the last norm
    head_tables: ClassVar[tuple[str, ...]] = ("lm_head.weight",)  # of untied models, full names

    def __init__(
        self, architecture: str, config: PreTrainedConfig, tensors: frozenset[str]
    ) -> None:
        self.architecture = architecture
        self.config = config
        self._tensors = tensors
        found = [prefix for prefix in self.prefixes if prefix + self.token_table in tensors]
        if not found:
            raise ValueError(f"the weights lack the token embedding {self.token_table}")
        self.prefix = found[0]
        self.check()

    def check(self) -> None:  # noqa: B027  most have nothing to refuse
        """Raises ValueError for variants of the architecture that `layer` does not compute."""

    @property
    @abstractmethod
    def ffn(self) -> int:
        """Width h2 of the MLP."""

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.config.num_hidden_layers

    @property
    def heads(self) -> int:
        """Query heads."""
        return self.config.num_attention_heads

    @property
    def kv_heads(self) -> int:
        """Key and value heads."""
        return getattr(self.config, "num_key_value_heads", None) or self.heads

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        return getattr(self.config, "head_dim", None) or self.config.hidden_size // self.heads

    @property
    def head(self) -> str:
        """Name of the output matrix (vocabulary, width)."""
        if not self.untied:
            return self.prefix + self.token_table
        return next(
            (name for name in self.head_tables if name in self._tensors), self.head_tables[0]
        )

    @property
    def untied(self) -> bool:
        """Whether the output matrix is a tensor of its own."""
        return not self.config.tie_word_embeddings

    def layer_names(self, index: int) -> dict[str, str]:
        """Short to full names of the tensors of layer `index`."""
        prefix = self.prefix + self.layer_prefix.format(index)
        return self._present(prefix, self.layer_parts)

    def final_names(self) -> dict[str, str]:
        """Short to full names of the tensors between the last layer and the output matrix."""
        return self._present(self.prefix, self.final_parts)

    def _present(self, prefix: str, parts: tuple[str, ...]) -> dict[str, str]:
        return {part: prefix + part for part in parts if self._wanted(prefix + part)}

    def _wanted(self, name: str) -> bool:
        # A bias may be absent; a matrix may not, and is found missing when it is looked up.
        return name in self._tensors or not name.endswith("bias")

    def rotation(self, positions: int) -> Callable[[torch.Tensor, torch.dtype], Rotation] | None:
        """Rotary angles of the first `positions` positions; None for learned positions."""
        del positions
        return None

    @abstractmethod
    def layer(
        self, index: int, w: Weights, x: torch.Tensor, rotation: Rotation | None, attend: Attend
    ) -> torch.Tensor:
        """Layer `index` of hidden states x (B, L, D)."""

    @abstractmethod
    def final(self, w: Weights, x: torch.Tensor) -> torch.Tensor:
        """The last norm of x (..., D)."""


def activated(name: str, y: torch.Tensor) -> torch.Tensor:
    """An activation by its name in a configuration, elementwise on y of any shape.

    The usual ones stand here: importing transformers' table takes 100 MB of the caller's memory.
    """
    usual = _ACTIVATIONS.get(name)
    if usual is not None:
        return usual(y)
    from transformers.activations import ACT2FN

    return ACT2FN[name](y)


_tanh_gelu = partial(functional.gelu, approximate="tanh")
_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "relu": functional.relu,
    "silu": functional.silu,
    "swish": functional.silu,
}


def linear(x: torch.Tensor, w: Weights, name: str) -> torch.Tensor:
    """x W^T + b with W (out, in)."""
    return functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def layer_norm(x: torch.Tensor, w: Weights, name: str, eps: float) -> torch.Tensor:
    """Layer norm over the last axis; without weight and bias where the model has none."""
    weight, bias = w.get(f"{name}.weight"), w.get(f"{name}.bias")
    return functional.layer_norm(x, x.shape[-1:], weight, bias, eps)


def rotary_table(
    module: Callable[..., torch.nn.Module], config: PreTrainedConfig, positions: int
) -> Callable[[torch.Tensor, torch.dtype], Rotation]:
    """Looks angles up that transformers' own module computed, so that scaling rules are its."""
    probe = torch.zeros(1, dtype=torch.float32)
    cos, sin = module(config)(probe, torch.arange(positions)[None])  # each (1, positions, rotated)

    def look_up(position: torch.Tensor, dtype: torch.dtype) -> Rotation:
        return (
            cos[0, position].to(dtype).unsqueeze(2),
            sin[0, position].to(dtype).unsqueeze(2),
        )

    return look_up


def check_rotary(config: PreTrainedConfig) -> None:
    """Refuses scalings that change all angles with the longest sequence of a batch."""
    kind = config.rope_parameters["rope_type"]
    if kind in ("dynamic", "longrope"):
        raise ValueError(f"rope type {kind} depends on what else is in the batch: not supported")


def rotate(x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Rotary position embedding of x (B, L, heads, head_dim), on its first `rotated` values."""
    cos, sin = rotation
    width = cos.shape[-1]
    turned, passed = x[..., :width], x[..., width:]
    first, second = turned.chunk(2, dim=-1)
    turned = turned * cos + torch.cat([-second, first], dim=-1) * sin
    return torch.cat([turned, passed], dim=-1) if passed.shape[-1] else turned
