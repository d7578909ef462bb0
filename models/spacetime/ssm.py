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
    correlate,
    reciprocal_series,
)

# 1 / det(I - x (A + B K)) up to here leaves the digits of single precision to its products.
_LARGEST_INVERSE = 1e4


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
        return causal_conv(u, self.kernel(u.shape[-1]))

    def kernel(self, length: int) -> Tensor:
        """All of the layer as one convolution: its kernels and, at lag 0, its skips (D, L)."""
        kernel = companion_kernel(bound_l1(self.a), self.b, self.c, length)
        kernel = kernel.repeat_interleave(self.heads, dim=0)
        return kernel + F.pad(self.skip.unsqueeze(-1), (0, length - 1))

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
        return roll_out(a, b, c, k, state=state, horizon=horizon), open_loop, next_input


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


def roll_out(a: Tensor, b: Tensor, c: Tensor, k: Tensor, *, state: Tensor, horizon: int) -> Tensor:
    """C (A + B K)^h x for states (B, D, d) and h < horizon: (B, D, horizon). Section 3.2. Exact.

    The forecast is rational in the delay: sum_h y_h x^h = n(x) / q(x) with the characteristic
    polynomial q = det(I - x (A + B K)) of the channel and a numerator of degree below d. So the
    first d rows C (A + B K)^h give n, and one convolution with 1 / q all of the horizon: the
    product of D dense matrices of horizon x d, and their gradients, is never formed. Where some
    loop grows so fast that this would lose digits, the rows of all steps are rolled instead.
    """
    d = a.shape[-1]
    # A loop that grows loses digits in the inversion; double precision has some to lose.
    q = characteristic_series(a.double(), b.double(), k.double(), horizon)
    inverse = reciprocal_series(q)
    rational = horizon > d and bool(inverse.detach().abs().max() < _LARGEST_INVERSE)
    rows = closed_loop_rows(a, b, c, k, d if rational else horizon)
    rolled = torch.matmul(state.transpose(0, 1), rows.transpose(1, 2)).transpose(0, 1)
    if not rational:
        return rolled
    numerator = causal_conv(rolled, q[..., :d].to(rolled.dtype))
    return causal_conv(inverse.to(rolled.dtype), numerator)


def characteristic_series(a: Tensor, b: Tensor, k: Tensor, length: int) -> Tensor:
    """det(I - x (A + B K)) up to x^(length - 1) for vectors (D, d): (D, length).

    A + B K is the shift plus two rank-one terms, and det(I - x S) = 1: with P_uv = u (I - x S)^-1 v
    the determinant is that of 2 x 2,  (1 - x P_ea)(1 - x P_kb) - x^2 P_eb P_ka,  of degree d.
    """
    d = a.shape[-1]
    p_ea, p_eb = a.flip(-1), b.flip(-1)
    p_ka, p_kb = correlate(k, a), correlate(k, b)
    # Products of two of degree d - 1; what exceeds x^d in them cancels.
    crossed = causal_conv(p_ea, p_kb) - causal_conv(p_eb, p_ka)
    q = F.pad(-p_ea - p_kb, (1, 0), value=1.0) + F.pad(crossed[..., : d - 1], (2, 0))
    return F.pad(q, (0, max(length - d - 1, 0)))[..., :length]


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
