"""The diagonal state space of S4D and H3: S4D-Lin poles, bilinear or zero-order hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from models.sequence.config import SsmConfig
from models.sequence.layers.mixer import Mixer, Rate, Step, from_channels
from models.sequence.ops.fft import fft_conv
from models.sequence.ops.state_passing import last_state, ssm_kernel, state_passing
from models.sequence.ops.streams import SsmStream

# From here on one sequence in chunks with state passing takes less time than one FFT with its
# kernel; several at once share the kernel.
_STATE_PASSING_FROM = 65536


class DiagonalSSM(nn.Module):
    """D channels with N conjugate pairs of modes each: A_n = -1/2 + i pi n, B = 1, C ~ N(0, 1).

    Re A is kept as its logarithm, so that it stays negative; skip ~ N(0, 1). H3 section 3.1, S4D
    section 4. Computed in float32 whatever the input.
    """

    rates: Mapping[str, Rate]

    def __init__(self, width: int, config: SsmConfig) -> None:
        super().__init__()
        self.discretisation = config.discretisation
        modes = config.modes
        low, high = math.log(1e-3), math.log(1e-1)
        self.log_dt = nn.Parameter(torch.rand(width) * (high - low) + low)
        self.log_decay = nn.Parameter(torch.full((width, modes), math.log(0.5)))
        self.turn = nn.Parameter(math.pi * torch.arange(modes).float().repeat(width, 1))
        # Complex as a pair of reals: AdamW scales real and imaginary parts apart.
        self.c = nn.Parameter(torch.randn(width, modes, 2) * 0.5**0.5)
        self.skip = nn.Parameter(torch.randn(width))
        self.rates = {name: Rate(config.learning_rate) for name, _ in self.named_parameters()}

    def poles(self) -> tuple[Tensor, Tensor]:
        """Discrete poles a and weights w = C dB, both (D, N) complex."""
        dt = self.log_dt.exp().unsqueeze(-1)
        continuous = torch.complex(-self.log_decay.exp(), self.turn)
        c = torch.view_as_complex(self.c)
        if self.discretisation == "zoh":
            a = torch.exp(dt * continuous)
            return a, c * (a - 1) / continuous
        below = 1 - 0.5 * dt * continuous
        return (2 - below) / below, c * dt / below

    def forward(self, u: Tensor) -> Tensor:
        """(B, D, L) -> (B, D, L), by one FFT or in chunks."""
        a, w = self.poles()
        length = u.shape[-1]
        if len(u) > 1 or length < _STATE_PASSING_FROM:
            return fft_conv(u, ssm_kernel(a, w, length), self.skip)
        y, _ = state_passing(u.float(), a, w)
        return torch.addcmul(y.to(u.dtype), u, self.skip.unsqueeze(-1).to(u.dtype))

    def begin(self, u: Tensor) -> tuple[Tensor, SsmStream]:
        """Outputs for a prompt (B, D, P); goes on with a state of N complex numbers a channel."""
        a, w = self.poles()
        return self(u), SsmStream(a, w, self.skip, last_state(u, a))


class S4D(Mixer):
    """A diagonal state space, GELU, and a gated linear map: the baseline of H3's table 1."""

    def __init__(self, width: int, config: SsmConfig) -> None:
        super().__init__()
        self.ssm = DiagonalSSM(width, config)
        self.out = nn.Linear(width, 2 * width)

    def forward(self, u: Tensor) -> Tensor:
        return self._mapped(self.ssm(u.transpose(1, 2)))

    def begin(self, u: Tensor, steps: int) -> tuple[Tensor, Step]:
        y, stream = self.ssm.begin(u.transpose(1, 2))

        def step(u: Tensor) -> Tensor:
            return glu(self.out(gelu(stream.step(u))))

        return self._mapped(y), step

    def _mapped(self, y: Tensor) -> Tensor:
        return glu(from_channels(self.out, gelu(y)))
