"""The reasoning head: a causal Transformer from (examples, query) to the logit of the label.

Sequences hold two tokens a point: the point as a query, then the labelled example. Logits are read
at the queries, so that one pass predicts every y_i from x_1 y_1 .. x_(i-1) y_(i-1) x_i.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.tart.config import HeadConfig

_INIT_STD = 0.02  # GPT-2's
_QUERIES = slice(0, None, 2)  # the tokens at which logits are read


def interleaved_tokens(x: Tensor, y: Tensor) -> Tensor:
    """x_i at token 2i and (y_i, 0 .. 0) at token 2i + 1: (B, P, D), (B, P) -> (B, 2P, D).

    The paper's layout; labels are 0 or 1.
    """
    labels = F.pad(y.unsqueeze(-1), (0, x.shape[-1] - 1))  # (B, P, D)
    return torch.stack((x, labels), dim=2).flatten(1, 2)


def paired_tokens(x: Tensor, y: Tensor) -> Tensor:
    """(x_i, 0) at token 2i and (x_i, +-1) at token 2i + 1: (B, P, D), (B, P) -> (B, 2P, D + 1).

    Zero in the last coordinate says "unknown", -1 and +1 are the labels 0 and 1.
    """
    sign = (2 * y - 1).unsqueeze(-1)
    queries = torch.cat((x, torch.zeros_like(sign)), dim=-1)
    examples = torch.cat((x, sign), dim=-1)
    return torch.stack((queries, examples), dim=2).flatten(1, 2)


def interleaved_mask(points: int) -> Tensor:
    """Who sees whom among interleaved tokens, (2P, 2P) of bool: all before, and oneself."""
    return torch.ones(2 * points, 2 * points, dtype=torch.bool).tril()


def paired_mask(points: int) -> Tensor:
    """Who sees whom among paired tokens, (2P, 2P) of bool: examples before, and oneself."""
    t = torch.arange(2 * points)
    earlier_example = (t[None, :] < t[:, None]) & (t[None, :] % 2 == 1)
    return earlier_example | (t[None, :] == t[:, None])


class Block(nn.Module):
    """One pre-norm Transformer block of GPT-2: causal attention, then a perceptron of width 4D."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, h: Tensor, mask: Tensor, rows: slice = slice(None)) -> Tensor:
        """(B, L, D) -> (B, L, D), or only the tokens `rows` of it; mask (L, L): row sees column."""
        B, L, D = h.shape
        qkv = self.qkv(self.norm_attention(h)).view(B, L, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, L, D / H)
        mixed = F.scaled_dot_product_attention(q[:, :, rows], k, v, attn_mask=mask[rows])
        h = h[:, rows] + self.attention_out(mixed.transpose(1, 2).flatten(2))
        mlp: Tensor = self.down(F.gelu(self.up(self.norm_mlp(h)), approximate="tanh"))
        return h + mlp


class ReasoningHead(nn.Module):
    """TART's reasoning module, as in the paper's released code; sizes and layout: `HeadConfig`.

    `STANDARD` has exactly 9,614,337 parameters.
    """

    mask: Tensor

    def __init__(self, config: HeadConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        paired = config.tokens == "paired"
        self.read_in = nn.Linear(config.width_in + paired, config.width)
        self.places = (
            nn.Parameter(torch.empty(2 * config.points, config.width))
            if config.positions == "learned"
            else None
        )
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(config.width)
        self.read_out = nn.Linear(config.width, 1)
        mask = paired_mask if paired else interleaved_mask
        self.register_buffer("mask", mask(config.points), persistent=False)
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Logits of y_i = 1 given x_1 y_1 .. x_i, for all i: (B, P, D), (B, P) -> (B, P).

        y holds 0 or 1; the logit at i depends on no y_j with j >= i. Raises ValueError when a
        point has other than D coordinates or the sequence more points than the head was built for:
        dropping examples is the caller's decision.
        """
        if x.shape[-1] != self.config.width_in:
            raise ValueError(
                f"the head reads points of {self.config.width_in} coordinates, got {x.shape[-1]}"
            )
        if x.shape[1] > self.config.points:
            raise ValueError(
                f"the head reads at most {self.config.points} points (k = "
                f"{self.config.points - 1} examples and a query), got {x.shape[1]}"
            )
        as_tokens = paired_tokens if self.config.tokens == "paired" else interleaved_tokens
        h = self.read_in(as_tokens(x, y))
        L = h.shape[1]
        if self.places is not None:
            h = h + self.places[:L]
        mask = self.mask[:L, :L]
        for block in self.blocks[:-1]:
            h = block(h, mask)
        h = self.blocks[-1](h, mask, _QUERIES)  # nothing reads the other tokens after it
        logits: Tensor = self.read_out(self.norm_out(h))
        return logits.squeeze(-1)

    def _initialise(self, generator: torch.Generator) -> None:
        """GPT-2's: normal of 0.02, maps into the residual stream narrower by sqrt(2 layers).

        `read_in` keeps the spread 1/sqrt(inputs) of a Linear, as in the authors' code.
        """
        narrow = _INIT_STD / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if name.startswith("read_in"):
                spread = self.read_in.in_features**-0.5
                nn.init.uniform_(parameter, -spread, spread, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "norm" in name:
                nn.init.ones_(parameter)
            elif name.endswith(("attention_out.weight", "down.weight")):
                nn.init.normal_(parameter, std=narrow, generator=generator)
            else:
                nn.init.normal_(parameter, std=_INIT_STD, generator=generator)
