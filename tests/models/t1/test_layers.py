"""Mixing against its equations, and the initialisation against its promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.t1.layers import (
    Head,
    SpectralLayer,
    mix_channels,
    mix_channels_reference,
    mix_modes,
    mix_modes_reference,
    naive_deviation,
    preserving_deviation,
)
from models.t1.modes import lowest
from models.t1.transforms import Transform

SHAPES = [(1, 1, 1, 1), (3, 5, 2, 4), (7, 2, 3, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "m{}x{} B{} W{}".format(*s))
def test_mixing_is_its_equation_in_value_and_gradient(shape):
    m1, m2, batch, width = shape
    draw = {"dtype": torch.float64, "requires_grad": True}
    x = torch.randn(m1, m2, batch, width, **draw)
    weight = torch.randn(m1, m2, width, width + 1, **draw)
    along = [torch.randn(width + 1, m, m, **draw) for m in (m1, m2)]
    fast = mix_modes(mix_channels(x, weight), along)
    literal = mix_modes_reference(mix_channels_reference(x, weight), along)
    assert torch.allclose(fast, literal)
    probe = torch.randn_like(fast)
    pairs = [torch.autograd.grad((part * probe).sum(), [x, weight, *along])
             for part in (fast, literal)]  # fmt: skip
    for one, other in zip(*pairs, strict=True):
        assert torch.allclose(one, other)


def test_one_axis_of_modes():
    x, along = torch.randn(5, 2, 3), torch.randn(3, 5, 5)
    assert torch.allclose(mix_modes(x, [along]), torch.einsum("wpx,xbw->pbw", along, x), atol=1e-6)


def output_variance(n, m, width, deviation):
    """Variance per point after the DCT, mode-wise mixing of m x m modes, and the inverse."""
    batch = max(1, 60_000 // (m * m * width)) + 16
    x = torch.randn(batch, width, n, n)
    transform = Transform((n, n), lowest((m, m), (n, n)))
    weight = deviation * torch.randn(m, m, width, width)
    mixed = mix_channels(transform(x).permute(2, 3, 0, 1), weight).permute(2, 3, 0, 1)
    return float(transform.inverse(mixed).square().mean())


@given(st.integers(14, 40), st.integers(14, 24), st.integers(8, 12), st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_white_noise_keeps_its_variance_and_under_naive_weights_does_not(n, m, width, seed):
    torch.manual_seed(seed)
    m = min(n, m)
    kept = preserving_deviation(width, n * n, m * m)
    assert output_variance(n, m, width, kept) == pytest.approx(1.0, rel=0.05)
    assert output_variance(n, m, width, naive_deviation(width, width)) < 0.5


def test_a_layers_modes_keep_theirs():
    torch.manual_seed(0)
    layer = SpectralLayer(24, (12, 12))
    x = torch.randn(12, 12, 64, 24)
    mixed = mix_channels(x, layer.channels).detach()
    assert float(mixed.var()) == pytest.approx(1.0, rel=0.05)
    z = F.gelu(x)
    moved = mix_modes(z, list(layer.modes)).detach()
    assert float(moved.square().mean()) == pytest.approx(float(z.square().mean()), rel=0.1)
    assert math.isclose(
        float(SpectralLayer(24, (12, 12), points=4096).channels.detach().std()),
        preserving_deviation(24, 4096, 144),
        rel_tol=0.02,
    )


def test_the_head_starts_at_the_zero_field():
    assert float(Head(4, 8, 1)(torch.randn(3, 4)).abs().max()) < 1e-6
