"""Convolutions one step at a time beside ops/online.py's: few taps, and diagonal state spaces.

All of them read a prompt at once and then have `step(u)`: input (B, D) to output (B, D).
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from models.sequence.ops.state_passing import ssm_state, ssm_step


class Stream(Protocol):
    """What goes on where a prompt ended."""

    def step(self, u: Tensor) -> Tensor:
        """The output (B, D) for the next input u (B, D)."""
        ...


class FirStream:
    """A kernel of few taps k (D, K): keeps its inputs; O(B D K) a step."""

    def __init__(self, k: Tensor, prompt: Tensor, steps: int) -> None:
        """prompt: inputs (B, D, P) read before; steps: how many more there may be."""
        taps = k.shape[-1]
        self._backwards = k.flip(-1).contiguous()
        last = prompt[..., max(prompt.shape[-1] - taps + 1, 0) :]
        self._inputs = F.pad(last, (taps - 1 - last.shape[-1], steps))
        self._next = taps - 1

    def step(self, u: Tensor) -> Tensor:
        taps, t = self._backwards.shape[-1], self._next
        self._inputs[..., t] = u
        self._next = t + 1
        return torch.linalg.vecdot(self._inputs[..., t + 1 - taps : t + 1], self._backwards)


class SsmStream:
    """Poles a, weights w (D, N) and skip (D,): a state constant in length; O(B D N) a step."""

    def __init__(self, a: Tensor, w: Tensor, skip: Tensor, prompt: Tensor) -> None:
        """prompt: inputs (B, D, P) read before."""
        self._a, self._w, self._skip = a, w, skip
        self._state = ssm_state(prompt, a)

    def step(self, u: Tensor) -> Tensor:
        y, self._state = ssm_step(u, self._state, self._a, self._w)
        return y + self._skip * u
