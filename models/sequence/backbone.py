"""One backbone for all mixers: embedding, pre-norm blocks of mixer and MLP, head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.sequence.config import BackboneConfig, Kind
from models.sequence.layers.attention import Attention
from models.sequence.layers.h3 import H3
from models.sequence.layers.hyena import Hyena
from models.sequence.layers.long_conv import LongConv
from models.sequence.layers.mixer import Mixer, Step
from models.sequence.layers.ssm import S4D

_DEVIATION = 0.02  # of weights at the start, as GPT-2 has it
# Numbers inside an MLP at a time [values]: memory of more than 32 MB is mapped anew every time,
# which takes a processor a third of what the products take.
_INSIDE = 2**22

_MIXERS: dict[Kind, Callable[[BackboneConfig], Mixer]] = {
    "attention": lambda c: Attention(c.width, c.heads),
    "h3": lambda c: H3(c.width, c.ssm),
    "s4d": lambda c: S4D(c.width, c.ssm),
    "hyena": lambda c: Hyena(c.width, c.longest, c.hyena, None),
    "hyena_se": lambda c: Hyena(c.width, c.longest, c.hyena, c.hyena.short_taps),
    "hyena_mr": lambda c: Hyena(c.width, c.longest, c.hyena, c.hyena.medium_taps),
    "conv1d": lambda c: Hyena(c.width, c.longest, c.hyena, c.hyena.conv1d_taps),
    "long_conv": lambda c: LongConv(c.width, c.longest, c.long),
}


class Block(nn.Module):
    """u + mixer(norm(u)), then the same with an MLP of tanh-GELU, if there is one."""

    def __init__(self, kind: Kind, config: BackboneConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.mixer = _MIXERS[kind](config)
        self.drop = nn.Dropout(config.residual_dropout)
        self.mlp: nn.Sequential | None = None
        if config.mlp:
            self.mlp = nn.Sequential(
                nn.LayerNorm(config.width),
                nn.Linear(config.width, config.mlp),
                nn.GELU("tanh"),
                nn.Linear(config.mlp, config.width),
            )
            self._at_once = max(_INSIDE // config.mlp, 1)  # [steps]

    def forward(self, u: Tensor) -> Tensor:
        return self._rest(u, self.mixer(self.norm(u)))

    def begin(self, u: Tensor, steps: int, wanted: int) -> tuple[Tensor, Step]:
        """As the mixer's, norm and MLP around it, at the last `wanted` positions only."""
        mixed, mix = self.mixer.begin(self.norm(u), steps)
        after = self._rest(u[:, -wanted:], mixed[:, -wanted:])
        return after, lambda u: self._rest(u, mix(self.norm(u)))

    def _rest(self, u: Tensor, mixed: Tensor) -> Tensor:
        u = u + self.drop(mixed)
        if self.mlp is None:
            return u
        if torch.is_grad_enabled() or u.is_cuda:
            return u + self.drop(self.mlp(u))
        steps = u.flatten(0, -2).split(self._at_once)
        return torch.cat([part + self.drop(self.mlp(part)) for part in steps]).view(u.shape)


class Backbone(nn.Module):
    """Tokens (B, L) or vectors (B, L, C) to a number or logit an output, (B, L, outputs).

    With `pool` one row an input: (B, outputs). Weights ~ N(0, .02^2), those that write to the
    residual stream by 1 / sqrt(2 layers) less.
    """

    def __init__(self, config: BackboneConfig) -> None:
        """Raises ValueError for a configuration whose numbers do not fit together."""
        super().__init__()
        if config.tied and (config.vocabulary != config.outputs):
            raise ValueError("backbone: a tied head has as many outputs as there are tokens")
        self.config = config
        self.embed: nn.Module = (
            nn.Embedding(config.vocabulary, config.width)
            if config.vocabulary
            else nn.Linear(config.channels, config.width)
        )
        self.positions = (
            nn.Parameter(torch.randn(config.longest, config.width) * _DEVIATION)
            if config.positions
            else None
        )
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(kind, config) for kind in config.pattern)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.outputs, bias=not config.tied)
        self._initialise()
        if config.tied:
            assert isinstance(self.embed, nn.Embedding)
            self.head.weight = self.embed.weight

    def forward(self, inputs: Tensor) -> Tensor:
        u = self.hidden(inputs)
        return self.head(u.mean(1) if self.config.pool else u)

    def hidden(self, inputs: Tensor, layer: int = -1) -> Tensor:
        """States (B, L, D) after `layer` blocks; -1: after all of them and the last norm.

        Raises ValueError for empty inputs and those longer than the longest.
        """
        u = self.drop(self._embedded(inputs))
        blocks = list(self.blocks) if layer < 0 else list(self.blocks)[:layer]
        for block in blocks:
            u = block(u)
        return self.norm(u) if layer < 0 else u

    @torch.no_grad()
    def begin(self, inputs: Tensor, steps: int) -> tuple[Tensor, Step]:
        """Logits (B, outputs) after a prompt, and the function that reads one more token (B,).

        Every layer goes on as suits it: state, cache or online convolution. Inference only.
        """
        if steps < 0 or inputs.shape[1] + steps > self.config.longest:
            raise ValueError(
                f"a prompt of {inputs.shape[1]} with {steps} steps to come; the longest input is "
                f"{self.config.longest}"
            )
        u = self._embedded(inputs)
        going: list[Step] = []
        place = inputs.shape[1]
        for i, block in enumerate(self.blocks, 1):
            assert isinstance(block, Block)
            # After the last block nobody asks for any position but the last.
            u, step = block.begin(u, steps, place if i < len(self.blocks) else 1)
            going.append(step)

        @torch.no_grad()
        def next_token(token: Tensor) -> Tensor:
            nonlocal place
            u = self.embed(token)
            if self.positions is not None:
                u = u + self.positions[place]
            place += 1
            for step in going:
                u = step(u)
            return self.head(self.norm(u))

        return self.head(self.norm(u[:, -1])), next_token

    def _embedded(self, inputs: Tensor) -> Tensor:
        length = inputs.shape[1] if inputs.ndim > 1 else 0
        if not 1 <= length <= self.config.longest:
            raise ValueError(f"backbone: 1 to {self.config.longest} steps, not {length}")
        u = self.embed(inputs)
        return u if self.positions is None else u + self.positions[:length]

    def _initialise(self) -> None:
        quieter = _DEVIATION / (2 * len(self.blocks)) ** 0.5
        for name, module in self.named_modules():
            # Filters have an initialisation of their own.
            if isinstance(module, nn.Linear | nn.Embedding) and ".filter." not in name:
                writes = name.endswith(("mixer.out", "mlp.3"))
                nn.init.normal_(module.weight, std=quieter if writes else _DEVIATION)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)


def parameter_count(model: nn.Module) -> int:
    """Trained numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
