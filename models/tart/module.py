"""The reasoning head: a trunk from (examples, query) to the logit of the label.

The trunk is a Transformer, or has Hyena or H3 layers in the place of attention.

`answer` takes k examples and any number of queries, which do not see one another. Causal heads also
read a whole sequence at once (`forward`): every point is a query for the examples before it, so
that one pass predicts every y_i from x_1 y_1 .. x_(i-1) y_(i-1) x_i.
"""

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.sequence.config import HyenaConfig, SsmConfig
from models.sequence.layers.h3 import H3
from models.sequence.layers.hyena import Hyena
from models.sequence.layers.mixer import Mixer
from models.tart.config import HeadConfig

_INIT_STD = 0.02  # GPT-2's
_QUERIES = slice(0, None, 2)  # the tokens at which logits are read
_APART = 64  # queries read at once in sequences of their own


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
    sign = 2 * y - 1
    queries, examples = _labelled(x, torch.zeros_like(sign)), _labelled(x, sign)
    return torch.stack((queries, examples), dim=2).flatten(1, 2)


def _labelled(x: Tensor, sign: Tensor) -> Tensor:
    return torch.cat((x, sign.unsqueeze(-1)), dim=-1)


def interleaved_mask(points: int) -> Tensor:
    """Who sees whom among interleaved tokens, (2P, 2P) of bool: all before, and oneself."""
    return torch.ones(2 * points, 2 * points, dtype=torch.bool).tril()


def paired_mask(points: int) -> Tensor:
    """Who sees whom among paired tokens, (2P, 2P) of bool: examples before, and oneself."""
    t = torch.arange(2 * points)
    earlier_example = (t[None, :] < t[:, None]) & (t[None, :] % 2 == 1)
    return earlier_example | (t[None, :] == t[:, None])


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(N)) v over the keys that the mask (L, S) shows, all of them without one.

    (B, H, L, N), (B, H, S, N), (B, H, S, N) -> (B, H, L, N). On a processor written out: PyTorch's
    fused attention goes backward four times slower there at these sizes.
    """
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v


class Block(nn.Module):
    """One pre-norm block of GPT-2: what mixes the tokens, then a perceptron of width 4D."""

    norm_mlp: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    activation: str

    def forward(
        self, h: Tensor, seen: int, mask: Tensor | None, rows: slice = slice(None)
    ) -> Tensor:
        """(B, L, D) -> (B, L, D), or only the tokens `rows` of it.

        The first `seen` tokens are keys; mask (L, seen): row sees column.
        """
        h = h[:, rows] + self._mixed(h, seen, mask, rows)
        u = self.up(self.norm_mlp(h))
        u = F.gelu(u, approximate="tanh") if self.activation == "gelu" else F.relu(u).square()
        mlp: Tensor = self.down(u)
        return h + mlp

    @abstractmethod
    def _mixed(self, h: Tensor, seen: int, mask: Tensor | None, rows: slice) -> Tensor:
        """What is added to the tokens `rows`; arguments as in `forward`."""

    def _add_perceptron(self, width: int, activation: str) -> None:
        """Last, so that parameters come in the order that initial values are drawn in."""
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.activation = activation


class AttentionBlock(Block):
    """Tokens mixed by attention."""

    def __init__(self, width: int, heads: int, activation: str) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self._add_perceptron(width, activation)

    def _mixed(self, h: Tensor, seen: int, mask: Tensor | None, rows: slice) -> Tensor:
        B, L, D = h.shape
        qkv = self.qkv(self.norm_attention(h)).view(B, L, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, L, D / H)
        shown = None if mask is None else mask[rows]
        mixed = attend(q[:, :, rows], k[:, :, :seen], v[:, :, :seen], shown)
        out: Tensor = self.attention_out(mixed.transpose(1, 2).flatten(2))
        return out


class ConvolutionBlock(Block):
    """Tokens mixed by a layer of models/sequence: each sees all before it, whatever the mask."""

    def __init__(self, width: int, mixer: Mixer, activation: str) -> None:
        super().__init__()
        self.norm_mixer = nn.LayerNorm(width)
        self.mixer = mixer
        self._add_perceptron(width, activation)

    def _mixed(self, h: Tensor, seen: int, mask: Tensor | None, rows: slice) -> Tensor:
        mixed: Tensor = self.mixer(self.norm_mixer(h))
        return mixed[:, rows]


def block(config: HeadConfig) -> Block:
    """One block of a head's trunk."""
    trunk, width = config.trunk, config.width
    if trunk == "attention":
        return AttentionBlock(width, config.heads, config.activation)
    mixer: Mixer = (
        Hyena(width, 2 * config.points, HyenaConfig(), None)
        if trunk == "hyena"
        else H3(width, SsmConfig(head_dim=width // config.heads))
    )
    return ConvolutionBlock(width, mixer, config.activation)


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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # convolutions begin with filters that they draw themselves
            self.blocks = nn.ModuleList(block(config) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(config.width)
        self.read_out = nn.Linear(config.width, 1)
        mask = paired_mask if paired else interleaved_mask
        self.register_buffer("mask", mask(config.points), persistent=False)
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Logits of y_i = 1 given x_1 y_1 .. x_i, for all i: (B, P, D), (B, P) -> (B, P).

        y holds 0 or 1; the logit at i depends on no y_j with j >= i. Raises ValueError when the
        head is not causal, when a point has other than D coordinates, or when the sequence has more
        points than the head was built for: dropping examples is the caller's decision.
        """
        if self.config.attention != "causal":
            raise ValueError("only causal heads read a whole sequence at once: use answer")
        self._check(x, x.shape[1])
        as_tokens = paired_tokens if self.config.tokens == "paired" else interleaved_tokens
        L = 2 * x.shape[1]
        return self._read(as_tokens(x, y), torch.arange(L), L, self.mask[:L, :L], _QUERIES)

    def answer(self, x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
        """Logits of label 1 for Q queries, given k examples and no other query.

        (B, k, D), (B, k), (B, Q, D) -> (B, Q). Raises ValueError as `forward` does.
        """
        k, Q = x.shape[1], queries.shape[1]
        self._check(x, k + 1)
        self._check(queries, k + 1)
        if self.config.tokens == "paired":
            examples = _labelled(x, 2 * y - 1)
            asked = _labelled(queries, torch.zeros_like(queries[..., 0]))
            places = torch.arange(1, 2 * k, 2)
        else:
            examples, asked = interleaved_tokens(x, y), queries
            places = torch.arange(2 * k)
        if self.config.trunk != "attention":
            parts = asked.split(_APART, dim=1)
            return torch.cat([self._answer_apart(examples, part) for part in parts], dim=1)
        T = examples.shape[1]
        places = torch.cat((places, torch.full((Q,), 2 * k)))
        tokens = torch.cat((examples, asked), dim=1)
        if self.config.attention == "context":
            return self._read(tokens, places, T, None, slice(T, None))
        mask = torch.eye(T + Q, dtype=torch.bool, device=x.device)
        mask[:, :T] = torch.ones(T + Q, T, dtype=torch.bool, device=x.device).tril()
        return self._read(tokens, places, T + Q, mask, slice(T, None))

    def _answer_apart(self, examples: Tensor, asked: Tensor) -> Tensor:
        """Every query in a sequence of its own: no mask hides it from the next in a convolution.

        (B, T, D), (B, Q, D) -> (B, Q).
        """
        Q = asked.shape[1]
        shown = examples.unsqueeze(1).expand(-1, Q, -1, -1)
        tokens = torch.cat((shown, asked.unsqueeze(2)), dim=2).flatten(0, 1)  # (B Q, T + 1, D)
        L = tokens.shape[1]
        last = self._read(tokens, torch.arange(L), L, None, slice(L - 1, L))
        return last.view(-1, Q)

    def _read(
        self, tokens: Tensor, places: Tensor, seen: int, mask: Tensor | None, asked: slice
    ) -> Tensor:
        """Logits at the tokens `asked`; see `Block.forward`."""
        # The residual stream keeps its format where matrix products run in a shorter one.
        h = self.read_in(tokens).to(tokens.dtype)
        if self.places is not None:
            h = h + self.places[places.to(h.device)]
        for each in self.blocks[:-1]:
            h = each(h, seen, mask)
        h = self.blocks[-1](h, seen, mask, asked)  # nothing reads the other tokens after it
        logits: Tensor = self.read_out(self.norm_out(h))
        return logits.squeeze(-1).to(tokens.dtype)

    def _check(self, x: Tensor, points: int) -> None:
        if x.shape[-1] != self.config.width_in:
            raise ValueError(
                f"the head reads points of {self.config.width_in} coordinates, got {x.shape[-1]}"
            )
        if points > self.config.points:
            raise ValueError(
                f"the head reads at most {self.config.points} points (k = "
                f"{self.config.points - 1} examples and a query), got {points}"
            )

    def _initialise(self, generator: torch.Generator) -> None:
        """GPT-2's: normal of 0.02, maps into the residual stream narrower by sqrt(2 layers).

        `read_in` keeps the spread 1/sqrt(inputs) of a Linear, as in the authors' code.
        """
        narrow = _INIT_STD / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if ".mixer." in name and not name.endswith("mixer.out.weight"):
                continue  # as its layer has drawn it
            if name.startswith("read_in"):
                spread = self.read_in.in_features**-0.5
                nn.init.uniform_(parameter, -spread, spread, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "norm" in name:
                nn.init.ones_(parameter)
            elif name.endswith((".out.weight", "attention_out.weight", "down.weight")):
                nn.init.normal_(parameter, std=narrow, generator=generator)
            else:
                nn.init.normal_(parameter, std=_INIT_STD, generator=generator)
