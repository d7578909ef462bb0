"""H3, Hungry Hungry Hippos: a shift SSM and a diagonal SSM between three projections.

Fu, Dao, Saab, Thomas, Rudra, Re, ICLR 2023, section 3.1 and algorithm 2: for every head of width
d_h,  y_t = Q_t^T SSM_diag(SSM_shift(K) (x) V)_t,  an outer product of keys and values in time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sequence.config import SsmConfig
from models.sequence.layers.mixer import Mixer, Rate, Step, from_channels, to_channels
from models.sequence.layers.ssm import DiagonalSSM
from models.sequence.ops.fft import fft_conv
from models.sequence.ops.streams import FirStream


class H3(Mixer):
    """D channels in D / d_h heads, each with one diagonal SSM: O(D^2 L + D d_h L log L).

    The shift SSM with B = e_1 is a causal filter of N taps, which is how it is computed.
    """

    def __init__(self, width: int, config: SsmConfig) -> None:
        """Raises ValueError when the width of a head does not divide that of the layer."""
        super().__init__()
        if width % config.head_dim:
            raise ValueError(f"h3: heads of {config.head_dim} do not divide a width of {width}")
        self.head_dim = config.head_dim
        self.qkv = nn.Linear(width, 3 * width)
        bound = config.shift**-0.5  # Kaiming-uniform with a = sqrt 5, as Conv1d has it
        self.shift = nn.Parameter(torch.empty(width, config.shift).uniform_(-bound, bound))
        self.shift_skip = nn.Parameter(torch.randn(width))
        self.ssm = DiagonalSSM(width // config.head_dim, config)
        self.out = nn.Linear(width, width)
        self.rates = dict.fromkeys(("shift", "shift_skip"), Rate(config.learning_rate))

    def forward(self, u: Tensor) -> Tensor:
        q, k, v = to_channels(self.qkv, u).chunk(3, 1)  # (B, D, L)
        shifted = fft_conv(k, self.shift, self.shift_skip)
        return from_channels(self.out, self._read(q, self.ssm(self._outer(shifted, v))))

    def begin(self, u: Tensor, steps: int) -> tuple[Tensor, Step]:
        """Hands over the last N keys and the state of the diagonal SSM: constant in length."""
        q, k, v = to_channels(self.qkv, u).chunk(3, 1)
        shifted = fft_conv(k, self.shift, self.shift_skip)
        skip = nn.functional.pad(self.shift_skip.unsqueeze(-1), (0, self.shift.shape[-1] - 1))
        keys = FirStream(self.shift + skip, k, steps)
        read, states = self.ssm.begin(self._outer(shifted, v))

        def step(u: Tensor) -> Tensor:
            q, k, v = self.qkv(u).chunk(3, -1)  # (B, D)
            outer = self._outer(keys.step(k).unsqueeze(-1), v.unsqueeze(-1))
            y = states.step(outer.squeeze(-1)).unsqueeze(-1)
            return self.out(self._read(q.unsqueeze(-1), y).squeeze(-1))

        return from_channels(self.out, self._read(q, read)), step

    def _outer(self, k: Tensor, v: Tensor) -> Tensor:
        """K_t (x) V_t within every head: (B, D, L) twice -> (B d_h d_h, D / d_h, L)."""
        if self.head_dim == 1:
            return k * v
        k, v = (x.unflatten(1, (-1, self.head_dim)).transpose(1, 2) for x in (k, v))
        return (k.unsqueeze(2) * v.unsqueeze(1)).flatten(0, 2)  # of (B, d1, d2, heads, L)

    def _read(self, q: Tensor, states: Tensor) -> Tensor:
        """Q_t^T S_t within every head: (B, D, L)."""
        d = self.head_dim
        if d == 1:
            return q * states
        q = q.unflatten(1, (-1, d))  # (B, heads, d1, L)
        states = states.unflatten(0, (len(q), d, d))  # (B, d1, d2, heads, L)
        return torch.einsum("bhil,bijhl->bhjl", q, states).flatten(1, 2)
