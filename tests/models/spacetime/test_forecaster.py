"""The network: input transforms, fixed filters, shapes, losses, causality."""

import pytest
import torch

from models.spacetime.config import ModelConfig
from models.spacetime.forecaster import SpaceTime
from models.spacetime.layers import ChannelMix, InputTransform, ResidualEmbedding, difference

KINDS = ("mean", "last", "seasonal")
SEASON = 6


def network(kind: str = "mean", channels: int = 2, blocks: int = 1) -> SpaceTime:
    torch.manual_seed(0)
    config = ModelConfig(
        transform=kind, kernels=2, heads=3, state=4, blocks=blocks, max_average=8, dropout=0.3
    )
    return SpaceTime(config, channels, SEASON).eval()


@pytest.fixture
def lags() -> torch.Tensor:
    return torch.randn(5, 20, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("horizon", [1, 6, 15])
def test_restoring_the_true_inputs_gives_the_series_back(kind: str, horizon: int) -> None:
    series = torch.randn(3, 2, 20 + horizon, generator=torch.Generator().manual_seed(0)).double()
    transform = InputTransform(kind, SEASON).double()
    transform.scale.fill_(0.4)
    inputs = transform(series, lag=20)
    restored = transform.restore(inputs[..., -horizon:], series[..., :20])
    torch.testing.assert_close(restored, series[..., 20:])


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_the_lag_do_not_depend_on_what_follows(kind: str) -> None:
    series = torch.randn(1, 1, 26, dtype=torch.float64, requires_grad=True)
    inputs = InputTransform(kind, SEASON)(series, lag=20)
    (gradient,) = torch.autograd.grad(inputs[..., :-6].sum(), series)
    assert gradient[..., 20:].abs().max() == 0


@pytest.mark.parametrize("order", range(4))
def test_differences_annihilate_polynomials(order: int) -> None:
    t = torch.arange(30, dtype=torch.float64)
    embedding = ResidualEmbedding(channels=1, copies=8, longest=5).double()
    for degree in range(order):
        filtered = embedding((t / 30).pow(degree)[None, None])[0, order]
        assert filtered[order:].abs().max() < 1e-10
    assert difference(order).sum() == (1 if order == 0 else 0)


def test_moving_average_residuals_remove_a_constant_past_the_edge() -> None:
    torch.manual_seed(0)
    filtered = ResidualEmbedding(channels=2, copies=8, longest=9)(torch.ones(1, 2, 30))
    averages = filtered.view(2, 8, 30)[:, 4:]
    assert averages[..., 9:].abs().max() < 1e-5
    assert averages[..., 0].min() > 0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "blocks"), [(1, 1), (3, 2)], ids=["1-channel", "3-channels"])
def test_shapes_follow_the_channels(kind: str, channels: int, blocks: int) -> None:
    model = network(kind, channels, blocks)
    u = torch.randn(4, 20, channels)
    assert model(u, 7).shape == (4, 7, channels)
    assert model.encode(model.transform(u.transpose(1, 2), 20)).shape[1] == channels * 6
    losses = model.losses(u, torch.randn(4, 7, channels))
    for loss in (losses.forecast, losses.lag, losses.next_input):
        assert loss.isfinite()
        assert loss > 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_to_a_long_horizon_begins_as_the_short_one(kind: str, lags: torch.Tensor) -> None:
    model = network(kind)
    torch.testing.assert_close(model(lags, 16)[:, :5], model(lags, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_the_forecast_reads_the_lag_and_nothing_but_its_own_window(
    kind: str, lags: torch.Tensor
) -> None:
    model, u = network(kind), lags.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(u, 3)[2].sum(), u)
    assert gradient[2].abs().sum() > 0
    assert gradient[[0, 1, 3, 4]].abs().max() < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_lag_losses_do_not_see_past_the_first_step_of_the_future(
    kind: str, lags: torch.Tensor
) -> None:
    model = network(kind)
    target = torch.randn(5, 6, 2, requires_grad=True)
    losses = model.losses(lags, target)
    (gradient,) = torch.autograd.grad(losses.lag, target, retain_graph=True)
    assert gradient[:, 0].abs().sum() > 0
    assert gradient[:, 1:].abs().max() == 0
    (gradient,) = torch.autograd.grad(
        losses.next_input, target, allow_unused=True, materialize_grads=True
    )
    assert gradient.abs().max() == 0


def test_forecast_loss_is_the_error_of_the_forecast(lags: torch.Tensor) -> None:
    model = network("seasonal")
    model.transform.scale.fill_(0.5)
    target = torch.randn(5, 9, 2)
    expected = (model(lags, 9) - target).square().mean().sqrt() / 0.5
    torch.testing.assert_close(model.losses(lags, target).forecast, expected)


def test_every_parameter_is_trained_by_the_loss(lags: torch.Tensor) -> None:
    model = network("mean", blocks=2)
    losses = model.losses(lags, torch.randn(5, 3, 2))
    (losses.forecast + losses.lag + losses.next_input).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_a_constant_window_gives_finite_gradients() -> None:
    model = network("last", channels=1)
    losses = model.losses(torch.ones(3, 20, 1), torch.ones(3, 4, 1))
    (losses.forecast + losses.lag + losses.next_input).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("blocks", [1, 3])
def test_joined_filters_give_what_the_layers_give_in_turn(blocks: int) -> None:
    """Values and gradients of the encoder, whose first two convolutions are one kernel."""
    torch.manual_seed(0)
    config = ModelConfig(transform="last", kernels=2, heads=4, state=5, blocks=blocks)
    network = SpaceTime(config, channels=3, season=1).double()
    inputs = torch.randn(2, 3, 70, dtype=torch.float64)
    fused, literal = network.encode(inputs), network.encoder(network.embedding(inputs))
    torch.testing.assert_close(fused, literal)
    weights, parameters = torch.randn_like(fused), list(network.encoder.parameters())
    for one, other in zip(
        *(torch.autograd.grad((z * weights).sum(), parameters) for z in (fused, literal)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_channel_mix_is_a_convolution_of_one_tap() -> None:
    torch.manual_seed(0)
    mix, z = ChannelMix(5, 3).double(), torch.randn(2, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(mix(z), torch.nn.functional.conv1d(z, mix.weight, mix.bias))
