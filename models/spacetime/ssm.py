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
    hankel,
    reciprocal_series,
)

# Echoes 1 / det(I - x (A + B K)) up to here leave the digits of single precision to a recurrence.
_LARGEST_ECHO = 1e4
# Outputs that one product makes, even where the state is smaller.
_SHORTEST_BLOCK = 64


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
        a, b, c, k = self._bounded()
        kernels = companion_kernel(a, b, torch.stack((c, k, last_unit(a))), u.shape[-1])
        open_loop, next_input = causal_conv(u.unsqueeze(1), kernels[:2]).unbind(1)
        state = final_state(a, b, u, kernels[2])
        return roll_out(a, b, c, k, state=state, horizon=horizon), open_loop, next_input

    def forecast(self, u: Tensor, horizon: int) -> Tensor:
        """The first output of `forward` alone: (B, D, L) -> (B, D, horizon)."""
        a, b, c, k = self._bounded()
        state = final_state(a, b, u, companion_kernel(a, b, last_unit(a), u.shape[-1]))
        return roll_out(a, b, c, k, state=state, horizon=horizon)

    def _bounded(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return bound_l1(self.a), bound_l1(self.b), bound_l1(self.c), bound_l1(self.k)


def advance(a: Tensor, b: Tensor, u: Tensor, state: Tensor) -> Tensor:
    """A x + B u for vectors (D, d), u (B, D), states (B, D, d): a shift and two vectors added."""
    last = state[..., -1:]
    return F.pad(state, (1, -1)) + last * a + u.unsqueeze(-1) * b


def final_state(a: Tensor, b: Tensor, u: Tensor, last_kernel: Tensor) -> Tensor:
    """x_L = sum_i A^{L-1-i} B u_i for a, b (D, d) and u (B, D, L); returns (B, D, d).

    last_kernel: e_d A^i B (D, L), the layer's kernel with C = e_d. A state forgets by being shifted
    out, so only the last d steps count: with s_t = e_d x_t, which the last column feeds back,
    x_L[j] = sum_{n <= j} b_{j-n} u_{L-1-n} + a_{j-n} s_{L-1-n}.  Three products of small Toeplitz
    matrices stand in for the d x L matrix of the vectors A^i B.
    """
    d = a.shape[-1]
    by_channel = u.transpose(0, 1)  # (D, B, L)
    # s_{L-1-n} = sum_i last_kernel_{L-2-n-i} u_i, which is 0 where no input came before.
    earlier = F.pad(last_kernel.flip(-1)[..., 1:], (0, d))  # (D, L + d - 1)
    fed_back = by_channel @ hankel(earlier, d)  # (D, B, d), newest first
    recent = by_channel[..., -d:]
    recent = F.pad(recent, (d - recent.shape[-1], 0))
    state = recent @ hankel(F.pad(b, (d - 1, 0)), d) + fed_back @ delays(a, d)
    return state.transpose(0, 1)


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

    By Cayley and Hamilton the outputs satisfy the recurrence whose coefficients are those of
    det(I - x (A + B K)): one small matrix a channel takes the state to a block of outputs, another
    a block's last d to the next block. The product of D dense matrices of horizon x d, and their
    gradients, is never formed. Where some loop grows so fast that this would lose digits, the rows
    of all steps are rolled instead.
    """
    steps = min(horizon, max(a.shape[-1], _SHORTEST_BLOCK))
    # A loop that grows loses digits in the maps; double precision has some to lose.
    maps = block_maps(a.double(), b.double(), c.double(), k.double(), steps)
    first, following, echo = (one.to(state.dtype) for one in maps)
    x = state.transpose(0, 1)  # (D, B, d)
    if horizon > steps and _largest(echo.detach(), following.detach(), horizon) > _LARGEST_ECHO:
        return (x @ closed_loop_rows(a, b, c, k, horizon).mT).transpose(0, 1)
    blocks = [x @ first]
    for start in range(steps, horizon, steps):
        last = blocks[-1][..., -a.shape[-1] :]
        blocks.append(last @ following[..., : horizon - start])
    return torch.cat(blocks, dim=-1).transpose(0, 1)


def block_maps(
    a: Tensor, b: Tensor, c: Tensor, k: Tensor, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Maps of states, and of d outputs, to outputs (D, d, steps); echoes of the loop (D, steps).

    Of vectors (D, d), steps >= d or no second map is needed. With M = A + B K a unit state e_j
    shifts down to e_d, is fed back as a, and adds K_{j+m} b at the m-th step on its way:

        C M^h e_j = C_{j+h} or, once it is fed back, C M^{h+j-d} a, + sum_m K_{j+m} C M^{h-1-m} b,

    so that two series, those of a and of b, hold the whole first map. The second continues the
    recurrence q_0 y_h = -q_1 y_{h-1} .. - q_d y_{h-d} with q = det(I - x M) and echoes 1 / q.
    """
    d = a.shape[-1]
    q, of_a, of_b = characteristic_series(a, b, c, k)
    echo = reciprocal_series(F.pad(q, (0, max(steps - d - 1, 0)))[..., :steps])
    of_a, of_b = causal_conv(echo, torch.stack((of_a, of_b))).unbind(0)
    shifted = torch.cat((c, of_a), dim=-1)[..., : d + steps - 1]
    added = hankel(F.pad(k, (0, d - 1)), d) @ delays(F.pad(of_b, (1, -1)), d)
    # q_{d+h-p} y_p: what the outputs p = 0 .. d - 1 of a block leave for step h of the next.
    left = hankel(F.pad(-q[..., 1:], (0, d - 1)), d).flip(-2)
    return hankel(shifted, steps) + added, left @ delays(echo, d), echo


def delays(v: Tensor, rows: int) -> Tensor:
    """Rows v, x v, x^2 v .. of the series v (..., n): upper Toeplitz matrices (..., rows, n)."""
    return hankel(F.pad(v, (rows - 1, 0)), v.shape[-1]).flip(-2)


def characteristic_series(
    a: Tensor, b: Tensor, c: Tensor, k: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """q = det(I - x M), M = A + B K, and q times the series of C M^i a and of C M^i b.

    Of vectors (D, d): polynomials (D, d + 1), (D, d), (D, d). M is the shift S plus two rank-one
    terms, and det(I - x S) = 1. With P_uv = u (I - x S)^-1 v the determinant is that of 2 x 2,
    (1 - x P_ea)(1 - x P_kb) - x^2 P_eb P_ka,  and the others are products with its adjugate.
    """
    d = a.shape[-1]
    e_a, e_b = a.flip(-1), b.flip(-1)
    k_a, k_b, c_a, c_b = correlate(torch.stack((k, k, c, c)), torch.stack((a, b, a, b)))
    # Products of two of degree d - 1; what exceeds the degrees above cancels.
    products = causal_conv(
        torch.stack((e_a, e_b, c_a, c_b, c_b, c_a)), torch.stack((k_b, k_a, k_b, k_a, e_a, e_b))
    )
    plus, minus = products[::2], products[1::2]
    crossed = F.pad(plus - minus, (1, 0))[..., :d]
    q = F.pad(crossed[0] - e_a - k_b, (1, 0), value=1.0)
    return q, c_a - crossed[1], c_b - crossed[2]


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


def _largest(echo: Tensor, following: Tensor, horizon: int) -> float:
    """Largest of the loops' echoes up to the horizon: (D, n) and the map (D, d, n) of blocks."""
    largest, block = echo.abs().max(), echo.unsqueeze(1)
    for _ in range(echo.shape[-1], horizon, echo.shape[-1]):
        block = block[..., -following.shape[1] :] @ following
        largest = torch.maximum(largest, block.abs().max())
    return float(largest)
