"""A learned butterfly begins as the convolution, and can become something else."""

import pytest
import torch

from models.sequence.config import TrainConfig
from models.sequence.layers.butterfly import Butterfly, ButterflyConv
from models.sequence.ops.fft import causal_conv_reference
from models.sequence.train import parameter_groups


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("L", [1, 7, 32])
def test_it_begins_as_the_convolution(order, L):
    torch.manual_seed(0)
    layer = ButterflyConv(3, 32, order=order)
    u, k = torch.randn(2, 3, L), torch.randn(3, 20)
    y, expected = layer(u, k), causal_conv_reference(u, k)
    assert (y - expected).norm() / expected.norm() <= 5e-6


def test_its_matrices_learn_at_their_own_rate():
    torch.manual_seed(0)
    layer = ButterflyConv(2, 8, noise=0.01)
    groups = parameter_groups(layer, TrainConfig(learning_rate=1e-2))
    assert [(g["peak"], g["weight_decay"]) for g in groups] == [(1e-3, 0.0)]
    layer(torch.randn(1, 2, 8), torch.randn(2, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


def test_gradients_in_float64():
    torch.manual_seed(0)
    layer = Butterfly(2, (2, 4), noise=0.1).double()
    x = torch.randn(1, 2, 8, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_too_long_inputs_are_told():
    with pytest.raises(ValueError, match="made for 8"):
        ButterflyConv(2, 8)(torch.zeros(1, 2, 9), torch.zeros(2, 9))
