"""Processes that a companion layer holds exactly, and the closed loop against its literal twins."""

import numpy as np
import pytest
import torch
from statsmodels.tsa.ar_model import AutoReg
from torch import Tensor, nn

from models.spacetime.kernels import (
    bound_l1,
    causal_conv,
    companion_kernel,
    companion_matrix,
)
from models.spacetime.rivals import DiagonalSSM
from models.spacetime.ssm import (
    ClosedLoopSSM,
    CompanionSSM,
    characteristic_series,
    closed_loop_reference,
    closed_loop_rows,
    final_state,
    final_state_reference,
    last_unit,
    roll_out,
)

DOUBLE = torch.float64
AR = {1: [0.7], 4: [0.4, -0.2, 0.15, 0.1], 6: [0.3, 0.1, -0.2, 0.1, 0.05, -0.1]}


def unit(d: int, at: int) -> Tensor:
    e = torch.zeros(1, d, dtype=DOUBLE)
    e[0, at] = 1.0
    return e


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(1, 1, 60, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)


@pytest.mark.parametrize("order", AR, ids=[f"AR({p})" for p in AR])
def test_autoregression_from_its_innovations(order: int, noise: Tensor) -> None:
    """The transposed companion form: e_d A^i b with a_{d+1-i} = phi_i is the impulse response."""
    phi = AR[order]
    a = torch.tensor([phi[::-1]], dtype=DOUBLE)
    # Observability form: the last state is y_t when b carries the input into it.
    kernel = companion_kernel(a, unit(order, order - 1), unit(order, order - 1), 60)
    y = causal_conv(noise, kernel)[0, 0]
    literal = np.zeros(60)
    for t in range(60):
        past = sum(phi[i] * literal[t - 1 - i] for i in range(min(order, t)))
        literal[t] = past + float(noise[0, 0, t])
    np.testing.assert_allclose(y.numpy(), literal, atol=1e-10)


@pytest.mark.parametrize(
    "taps",
    [[1.0, 0.5, -0.3], [0.25] * 4, [1.0, -1.0], [1.0, -2.0, 1.0]],
    ids=["MA(2)", "moving-average", "difference", "second-difference"],
)
def test_moving_averages_and_differences(taps: list[float], noise: Tensor) -> None:
    d = len(taps)
    c = torch.tensor([taps], dtype=DOUBLE)
    kernel = companion_kernel(torch.zeros(1, d, dtype=DOUBLE), unit(d, 0), c, 60)
    y = causal_conv(noise, kernel)[0, 0].numpy()
    literal = np.convolve(noise[0, 0].numpy(), taps)[:60]
    np.testing.assert_allclose(y, literal, atol=1e-10)


@pytest.mark.parametrize("order", AR, ids=[f"AR({p})" for p in AR])
def test_closed_loop_is_the_dynamic_forecast_of_an_autoregression(order: int) -> None:
    rng = np.random.default_rng(0)
    values = np.zeros(3000)
    for t in range(order, 3000):
        values[t] = values[t - order : t][::-1] @ AR[order] + 0.1 * rng.standard_normal()
    fitted = AutoReg(values, lags=order, trend="n").fit()
    assert np.abs(fitted.params).sum() <= 1
    expected = fitted.predict(start=3000, end=3029, dynamic=True)
    # x holds the last inputs, newest first; C = K = phi predicts the next, which is fed back.
    layer = ClosedLoopSSM(1, order).double()
    phi = torch.tensor(fitted.params[None], dtype=DOUBLE)
    with torch.no_grad():
        layer.a.zero_()
        layer.b.copy_(unit(order, 0))
        layer.c.copy_(phi)
        layer.k.copy_(phi)
    forecast, _, _ = layer(torch.tensor(values)[None, None], horizon=30)
    np.testing.assert_allclose(forecast[0, 0].detach().numpy(), expected, atol=1e-10)


SIZES = [(1, 5, 4), (4, 9, 5), (7, 3, 11), (8, 1, 3), (32, 47, 24)]


@pytest.fixture(params=SIZES, ids=[f"d{d}-L{n}-H{h}" for d, n, h in SIZES])
def rolled(request: pytest.FixtureRequest) -> tuple[ClosedLoopSSM, Tensor, int]:
    d, length, horizon = request.param
    torch.manual_seed(d)
    return ClosedLoopSSM(3, d).double(), torch.randn(2, 3, length, dtype=DOUBLE), horizon


def test_final_state_equals_the_recursion(rolled: tuple[ClosedLoopSSM, Tensor, int]) -> None:
    layer, u, _ = rolled
    a, b = bound_l1(layer.a), bound_l1(layer.b)
    last_kernel = companion_kernel(a, b, last_unit(a), u.shape[-1])
    torch.testing.assert_close(final_state(a, b, u, last_kernel), final_state_reference(a, b, u))


def test_rolling_rows_equals_rolling_states(rolled: tuple[ClosedLoopSSM, Tensor, int]) -> None:
    layer, u, horizon = rolled
    vectors = [bound_l1(v) for v in (layer.a, layer.b, layer.c, layer.k)]
    state = final_state_reference(vectors[0], vectors[1], u)
    literal = closed_loop_reference(*vectors, state=state, horizon=horizon)
    rows = closed_loop_rows(*vectors, horizon)
    torch.testing.assert_close(torch.einsum("dhj,bdj->bdh", rows, state), literal)
    forecast, _, _ = layer(u, horizon)
    torch.testing.assert_close(forecast, literal)
    torch.testing.assert_close(layer.forecast(u, horizon), literal)
    parameters = list(layer.parameters())
    for one, other in zip(
        torch.autograd.grad(forecast.square().sum(), parameters),
        torch.autograd.grad(literal.square().sum(), parameters, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(one, torch.zeros_like(one) if other is None else other)


def test_last_open_loop_output_is_the_first_forecast(
    rolled: tuple[ClosedLoopSSM, Tensor, int],
) -> None:
    layer, u, horizon = rolled
    forecast, open_loop, _ = layer(u, horizon)
    torch.testing.assert_close(open_loop[..., -1], forecast[..., 0])


def test_next_inputs_are_those_the_loop_feeds_itself() -> None:
    torch.manual_seed(0)
    layer = ClosedLoopSSM(2, 5).double()
    u = torch.randn(1, 2, 12, dtype=DOUBLE)
    forecast, _, next_input = layer(u, 2)
    fed = torch.cat((u, next_input[..., -1:]), dim=-1)
    _, open_loop, _ = layer(fed, 1)
    torch.testing.assert_close(open_loop[..., -1], forecast[..., 1])


def test_layers_are_causal() -> None:
    torch.manual_seed(0)
    u = torch.randn(2, 6, 15, dtype=DOUBLE, requires_grad=True)
    open_layer, closed_layer = CompanionSSM(3, 2, 4).double(), ClosedLoopSSM(6, 4).double()
    _, one_step, next_input = closed_layer(u, 3)
    for output in (open_layer(u), one_step, next_input):
        (gradient,) = torch.autograd.grad(output[..., 7].sum(), u, retain_graph=True)
        assert gradient[..., :8].abs().min() > 0
        assert gradient[..., 8:].abs().max() < 1e-12


def test_heads_share_a_kernel_but_not_the_skip() -> None:
    torch.manual_seed(0)
    layer = CompanionSSM(kernels=2, heads=3, state=4)
    impulse = torch.zeros(1, 6, 5)
    impulse[..., 0] = 1.0
    y = layer(impulse)[0]
    torch.testing.assert_close(y[0, 1:], y[2, 1:])
    assert not torch.allclose(y[0, 1:], y[3, 1:])
    assert not torch.allclose(y[0, 0], y[1, 0])


@pytest.mark.parametrize("heads", [1, 3])
def test_recurrent_mode_streams_what_the_convolution_gives(heads: int) -> None:
    torch.manual_seed(0)
    layer = CompanionSSM(kernels=2, heads=heads, state=5).double()
    u = torch.randn(4, 2 * heads, 40, dtype=DOUBLE)
    state = torch.zeros(4, 2 * heads, 5, dtype=DOUBLE)
    outputs = []
    for step in u.unbind(-1):
        y, state = layer.step(step, state)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, dim=-1), layer(u), atol=1e-10, rtol=1e-10)


# Two with long echoes, one near white noise, two in between.
PROCESSES = (
    (0.3, -0.25, 0.2, -0.3, 0.25, -0.55),
    (0.1, 0.1, 0.1, -0.1, 0.1, -0.6),
    (0.3, 0.1, -0.2, 0.1, 0.05, -0.1),
    (-0.2, 0.3, 0.1, -0.4, 0.1, 0.3),
    (0.5, -0.4, 0.3, -0.3, 0.2, -0.5),
)


def excess_of_learned(layer: nn.Module, phi: np.ndarray) -> float:
    """One-step error on new data over the innovation error, less 1: Adam, then L-BFGS."""
    rng = np.random.default_rng(0)
    values = np.zeros(12200)
    for t in range(6, 12200):
        values[t] = values[t - 6 : t][::-1] @ phi + rng.standard_normal()
    series = torch.tensor(values[200:], dtype=torch.float32)
    train, test = series[:10000].view(100, 1, 100), series[10000:].view(1, 1, 2000)

    def loss(windows: Tensor) -> Tensor:
        return (layer(windows)[..., 6:-1] - windows[..., 7:]).square().mean()

    adam = torch.optim.Adam(layer.parameters(), lr=5e-2)
    for i in range(200):
        adam.param_groups[0]["lr"] = 5e-2 * (0.5 + 0.5 * np.cos(np.pi * i / 200))
        error = loss(train)
        adam.zero_grad()
        error.backward()
        adam.step()
    polish = torch.optim.LBFGS(
        layer.parameters(), max_iter=60, history_size=20, line_search_fn="strong_wolfe"
    )

    def again() -> Tensor:
        polish.zero_grad()
        error = loss(train)
        error.backward()
        return error

    polish.step(again)
    past = np.lib.stride_tricks.sliding_window_view(test[0, 0].numpy(), 7)
    innovation = np.square(past[:, 6] - past[:, 5::-1] @ phi).mean()
    with torch.no_grad():
        return loss(test).item() / innovation - 1


@pytest.mark.parametrize("process", range(len(PROCESSES)))
def test_companion_learns_any_ar6(process: int) -> None:
    torch.manual_seed(process)
    assert excess_of_learned(CompanionSSM(1, 1, 6), np.array(PROCESSES[process])) < 0.05


@pytest.mark.parametrize("process", [0, 1])
def test_a_diagonal_layer_learns_no_ar6_with_long_echoes(process: int) -> None:
    """S4D with as many numbers of state; near white noise there is less than 20 % to miss."""
    torch.manual_seed(0)
    assert excess_of_learned(DiagonalSSM(1, 6), np.array(PROCESSES[process])) > 0.2


@pytest.mark.parametrize("state", [1, 2, 5, 32])
@pytest.mark.parametrize("horizon", [1, 5, 33, 150])
def test_roll_out_equals_the_rolled_rows(state: int, horizon: int) -> None:
    """Values and all gradients, also where the loop's eigenvalues lie outside of the unit disc."""
    torch.manual_seed(state)
    vectors = [bound_l1(torch.randn(3, state, dtype=DOUBLE)).requires_grad_() for _ in range(4)]
    x = torch.randn(2, 3, state, dtype=DOUBLE, requires_grad=True)
    rows = torch.einsum("dhj,bdj->bdh", closed_loop_rows(*vectors, horizon), x)
    fast = roll_out(*vectors, state=x, horizon=horizon)
    torch.testing.assert_close(fast, rows)
    weights = torch.randn_like(rows)
    for one, other in zip(
        *(
            torch.autograd.grad((y * weights).sum(), [*vectors, x], allow_unused=True)
            for y in (fast, rows)
        ),
        strict=True,
    ):
        if other is None:
            assert one is None or one.abs().max() == 0
        else:
            torch.testing.assert_close(one, other)


def test_characteristic_series_is_the_determinant() -> None:
    torch.manual_seed(0)
    a, b, c, k = (torch.randn(4, 6, dtype=DOUBLE) for _ in range(4))
    loop = companion_matrix(a) + b.unsqueeze(-1) * k.unsqueeze(-2)
    for x in (0.3, -1.2):
        literal = torch.linalg.det(torch.eye(6, dtype=DOUBLE) - x * loop)
        powers = x ** torch.arange(7, dtype=DOUBLE)
        torch.testing.assert_close(characteristic_series(a, b, c, k)[0] @ powers, literal)


def loops(column: str) -> list[Tensor]:
    """a, b, c and k (8, 32) in single precision, by the kind of the last column a."""
    torch.manual_seed(0)
    shift = 0.5 if column == "random" else 0.0
    vectors = [bound_l1(torch.rand(8, 32) - shift) for _ in range(4)]
    if column == "walk":
        vectors[0] = unit(32, 31).float().repeat(8, 1)
    return vectors


@pytest.mark.parametrize("column", ["random", "walk", "positive"])
def test_roll_out_keeps_its_digits_in_single_precision(column: str) -> None:
    """Even where a forecast grows by ten orders of magnitude over its horizon."""
    vectors = loops(column)
    x = torch.randn(4, 8, 32)
    literal = torch.einsum(
        "dhj,bdj->bdh", closed_loop_rows(*(v.double() for v in vectors), 720), x.double()
    )
    largest = literal.abs().amax(dim=-1, keepdim=True)
    error = (roll_out(*vectors, state=x, horizon=720) - literal).abs() / largest
    assert error.max() < 1e-4


@pytest.mark.parametrize("column", ["random", "walk", "positive"])
def test_roll_out_s_gradients_keep_their_digits_in_single_precision(column: str) -> None:
    """Also over the longest horizon that is fitted, against rows rolled in double."""
    given = [*loops(column), torch.randn(4, 8, 32)]
    weights = torch.randn(4, 8, 720)

    def gradients(dtype: torch.dtype) -> tuple[Tensor, ...]:
        *vectors, x = (v.to(dtype).requires_grad_() for v in given)
        if dtype == DOUBLE:
            y = torch.einsum("dhj,bdj->bdh", closed_loop_rows(*vectors, 720), x)
        else:
            y = roll_out(*vectors, state=x, horizon=720)
        y = y / y.detach().abs().amax(dim=-1, keepdim=True)
        return torch.autograd.grad((y * weights.to(dtype)).sum(), [*vectors, x])

    for single, double in zip(gradients(torch.float32), gradients(DOUBLE), strict=True):
        assert (single - double).norm() < 3e-5 * double.norm()
