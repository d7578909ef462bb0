"""Rival networks: the diagonal kernel, shapes, equal width."""

import pytest
import torch

from models.spacetime.config import FitConfig, ModelConfig
from models.spacetime.rivals import DiagonalSSM, positions
from models.spacetime.train import network_of

SHAPE = ModelConfig(transform="last", kernels=2, heads=4, state=6, max_average=8)


@pytest.mark.parametrize("model", ["s4d", "lstm", "transformer"])
@pytest.mark.parametrize("channels", [1, 2])
def test_rivals_forecast_any_horizon_at_equal_width(model: str, channels: int) -> None:
    torch.manual_seed(0)
    config = FitConfig(model=model, lag=20, horizon=7, network=SHAPE)
    network = network_of(config, channels)
    u = torch.randn(3, 20, channels, requires_grad=True)
    assert network.width == 8 * channels
    for horizon in (1, 7):
        assert network(u, horizon).shape == (3, horizon, channels)
    loss = network.loss(u, torch.randn(3, 7, channels), config.train)
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())
    assert u.grad is not None
    assert u.grad.abs().sum() > 0


def test_diagonal_kernel_is_the_recursion() -> None:
    torch.manual_seed(0)
    ssm = DiagonalSSM(3, 6).double()
    rate = torch.complex(-ssm.log_decay.exp(), ssm.frequency)
    step = ssm.log_step.exp().unsqueeze(-1)
    x = (torch.exp(step * rate) - 1) / rate  # B by zero-order hold
    for value in ssm.kernel(12).unbind(-1):
        literal = 2 * (torch.view_as_complex(ssm.c) * x).sum(-1).real
        torch.testing.assert_close(value, literal)
        x = x * torch.exp(step * rate)


def test_diagonal_layer_is_causal() -> None:
    u = torch.randn(1, 3, 15, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(DiagonalSSM(3, 6).double()(u)[..., 7].sum(), u)
    assert gradient[..., 8:].abs().max() < 1e-12


def test_width_must_hold_whole_attention_heads() -> None:
    shape = SHAPE.model_copy(update={"heads": 3})
    config = FitConfig(model="transformer", lag=20, horizon=7, network=shape)
    with pytest.raises(ValueError, match="multiple of 4 attention heads"):
        network_of(config, 1)


@pytest.mark.parametrize("width", [1, 5, 8])
def test_positions_are_bounded_and_distinct(width: int) -> None:
    found = positions(50, width)
    assert found.shape == (50, width)
    assert found.abs().max() <= 1
    assert (found[:1] - found[1:]).abs().amax(1).min() > 1e-3
