"""Convolutions one step at a time beside ops/online.py's: few taps, and diagonal state spaces.

All of them read a prompt at once and then have `step(u)`: input (B, D) to output (B, D).
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


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
        self._taps = taps
        self._backwards = k.flip(-1).unsqueeze(1).contiguous()  # (D, 1, K)
        last = prompt[..., max(prompt.shape[-1] - taps + 1, 0) :]
        kept = F.pad(last, (taps - 1 - last.shape[-1], steps))
        self._inputs = kept.transpose(0, 1).contiguous()  # (D, B, K - 1 + steps)
        self._next = taps - 1

    def step(self, u: Tensor) -> Tensor:
        t = self._next
        self._inputs[..., t] = u.T
        self._next = t + 1
        recent = self._inputs[..., t + 1 - self._taps : t + 1]
        # Batched products with one column take four times as long as this.
        return (recent * self._backwards).sum(-1).T


class SsmStream:
    """Poles a, weights w (D, N) and skip (D,): a state constant in length; O(B D N) a step."""

    def __init__(self, a: Tensor, w: Tensor, skip: Tensor, state: Tensor) -> None:
        """state: that after the prompt, (B, D, N) complex."""
        self._a, self._skip = a.unsqueeze(1), skip
        self._state = state.transpose(0, 1).contiguous()  # (D, B, N)
        # 2 Re(w x) as one product of reals.
        self._read = torch.view_as_real((2 * w).conj().resolve_conj()).flatten(1).unsqueeze(1)

    def step(self, u: Tensor) -> Tensor:
        """ops/state_passing.py's `ssm_step`, in place."""
        self._state.mul_(self._a).add_(u.T.unsqueeze(-1))
        y = (torch.view_as_real(self._state).flatten(2) * self._read).sum(-1)  # (D, B)
        return torch.addcmul(y.T, self._skip, u)
