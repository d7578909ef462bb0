"""Companion state-space layers over (B, D, L): open loop, and closed loop to any horizon.

SpaceTime, section 3.1 (the companion layer) and section 3.2 (closed-loop forecasting). Tensors are
channels-first and contiguous, so every convolution runs along the last axis.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.spacetime.kernels import (
    bound_l1,
    causal_conv,
    companion_kernel,
    companion_matrix,
)


class CompanionSSM(nn.Module):
    """Open loop: y_k = C x_{k+1} + D u_k with x_{k+1} = A x_k + B u_k, one state space a kernel.

    `kernels` state spaces of size `state` each serve `heads` channels, so the layer's width is
    D = kernels * heads. Section 3.1, equations 3 and 4; the skip is one scalar a channel.
    """

    def __init__(self, kernels: int, heads: int, state: int) -> None:
        super().__init__()
        self.heads = heads
        self.a = uniform_vectors(kernels, state)
        self.b = uniform_vectors(kernels, state)
        self.c = uniform_vectors(kernels, state)
        self.skip = nn.Parameter(torch.randn(kernels * heads))

    def forward(self, u: Tensor) -> Tensor:
        """(B, D, L) -> (B, D, L); output t depends on inputs 0 .. t."""
        kernel = companion_kernel(bound_l1(self.a), self.b, self.c, u.shape[-1])
        kernel = kernel.repeat_interleave(self.heads, dim=0)  # (D, L)
        return causal_conv(u, kernel) + self.skip.unsqueeze(-1) * u

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Recurrent mode: the next input u (B, D) and state (B, D, d) to output (B, D), new state.

        What `forward` gives at that step, for O(D d) a step whatever came before; a stream begins
        with a state of zeros.
        """
        a, b, c = (
            v.repeat_interleave(self.heads, dim=0) for v in (bound_l1(self.a), self.b, self.c)
        )
        state = advance(a, b, u, state)
        return (c * state).sum(-1) + self.skip * u, state


class ClosedLoopSSM(nn.Module):
    """Closed loop: K predicts the layer's own next input, u_k = K x_k, and the state runs on alone.

    After a lag window of length l the layer outputs, for h = 0 .. horizon - 1 (section 3.2,
    equations 5 to 7),

        y_{l+h} = C (A + B K)^h x_l.

    The same four vectors give the open-loop outputs over the lag that the loss supervises.
    """

    def __init__(self, channels: int, state: int) -> None:
        super().__init__()
        self.a = uniform_vectors(channels, state)
        self.b = uniform_vectors(channels, state)
        self.c = uniform_vectors(channels, state)
        self.k = uniform_vectors(channels, state)

    def forward(self, u: Tensor, horizon: int) -> tuple[Tensor, Tensor, Tensor]:
        """u (B, D, L) -> forecast (B, D, horizon), open loop (B, D, L), next inputs (B, D, L).

        Output t of the open loop is the one-step forecast of step t + 1, and next input t is
        K x_{t+1}, the layer's guess of u_{t+1}. All four vectors are bounded to ||.||_1 <= 1
        in both loops alike.
        """
        a, b, c, k = (bound_l1(v) for v in (self.a, self.b, self.c, self.k))
        kernels = companion_kernel(a, b, torch.stack((c, k, last_unit(a))), u.shape[-1])
        outputs = causal_conv(u.unsqueeze(1), kernels)  # (B, 3, D, L)
        open_loop, next_input, last_state = outputs.unbind(1)
        state = final_state(a, b, u, last_state)
        rows = closed_loop_rows(a, b, c, k, horizon)
        forecast = torch.matmul(state.transpose(0, 1), rows.transpose(1, 2)).transpose(0, 1)
        return forecast, open_loop, next_input


def advance(a: Tensor, b: Tensor, u: Tensor, state: Tensor) -> Tensor:
    """A x + B u for vectors (D, d), u (B, D), states (B, D, d): a shift and two vectors added."""
    last = state[..., -1:]
    return F.pad(state, (1, -1)) + last * a + u.unsqueeze(-1) * b


def final_state(a: Tensor, b: Tensor, u: Tensor, last_state: Tensor) -> Tensor:
    """x_L = sum_i A^{L-1-i} B u_i for a, b (D, d) and u (B, D, L); returns (B, D, d).

    last_state: e_d x_{t+1} (B, D, L), the layer's output with C = e_d. A state forgets by being
    shifted out, so only the last d steps count: with s_t = e_d x_t, which the last column feeds
    back,  x_L[j] = sum_{n <= j} b_{j-n} u_{L-1-n} + a_{j-n} s_{L-1-n}.  Two short convolutions
    stand in for the d x L matrix of the vectors A^i B.
    """
    d = a.shape[-1]
    fed_back = F.pad(last_state, (1, 0))[..., :-1]  # s_t = e_d x_t, and x_0 = 0
    return causal_conv(_newest_first(u, d), b) + causal_conv(_newest_first(fed_back, d), a)


def last_unit(a: Tensor) -> Tensor:
    """e_d, of the shape of a (..., d): the output vector that reads the last state."""
    return F.pad(torch.ones_like(a[..., :1]), (a.shape[-1] - 1, 0))


def final_state_reference(a: Tensor, b: Tensor, u: Tensor) -> Tensor:
    """x_L by the literal recursion x <- A x + B u_t; shapes as in `final_state`."""
    matrix = companion_matrix(a)
    x = torch.zeros(u.shape[0], *a.shape, dtype=u.dtype, device=u.device)
    for t in range(u.shape[-1]):
        x = torch.einsum("dij,bdj->bdi", matrix, x) + b * u[..., t : t + 1]
    return x


def closed_loop_rows(a: Tensor, b: Tensor, c: Tensor, k: Tensor, horizon: int) -> Tensor:
    """G_h = C (A + B K)^h for h < horizon; vectors (D, d) -> (D, horizon, d). Section 3.2.

    The first n rows times (A + B K)^n are the next n: log2(horizon) products, all of them dense.
    Rolling rows costs D * horizon * d numbers whatever the batch; rolling states, B times that.
    """
    power = companion_matrix(a) + b.unsqueeze(-1) * k.unsqueeze(-2)  # (D, d, d)
    rows = c.unsqueeze(-2)
    while rows.shape[-2] < horizon:
        missing = horizon - rows.shape[-2]
        rows = torch.cat((rows, rows[..., :missing, :] @ power), dim=-2)
        power = power @ power if rows.shape[-2] < horizon else power
    return rows


def closed_loop_reference(
    a: Tensor, b: Tensor, c: Tensor, k: Tensor, *, state: Tensor, horizon: int
) -> Tensor:
    """C (A + B K)^h x for states (B, D, d), rolling the states: (B, D, horizon)."""
    matrix = companion_matrix(a) + b.unsqueeze(-1) * k.unsqueeze(-2)
    outputs = []
    for _ in range(horizon):
        outputs.append((c * state).sum(-1))
        state = torch.einsum("dij,bdj->bdi", matrix, state)
    return torch.stack(outputs, dim=-1)


def uniform_vectors(rows: int, state: int) -> nn.Parameter:
    """Trainable (rows, state) vectors, uniform in +-1/sqrt(state) (the code's "xavier" start)."""
    return nn.Parameter((2 * torch.rand(rows, state) - 1) / state**0.5)


def _newest_first(u: Tensor, d: int) -> Tensor:
    """The last d steps of u (..., L), newest first, with zeros before the series began."""
    recent = u[..., -d:].flip(-1)
    return F.pad(recent, (0, d - recent.shape[-1]))
