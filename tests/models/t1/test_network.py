"""T1 and its relatives: the shortcut, grids, shapes, gradients, a few samples learnt by heart."""

import numpy as np
import pytest
import torch

from models.t1.config import ModelConfig
from models.t1.fno import FNO, FourierLayer
from models.t1.modes import lowest
from models.t1.network import T1, T1U, coordinates
from models.t1.operator import Operator, build_network, choose_modes, from_bytes, to_bytes
from models.t1.unet import UNet

SHAPES = [(9,), (8, 8), (12, 7)]


def t1(shape, modes=None, **changes):
    torch.manual_seed(0)
    modes = modes or tuple(max(1, n // 2) for n in shape)
    net = T1((2, 1), shape, lowest(modes, shape), **{"width": 4, "layers": 2} | changes)
    torch.nn.init.normal_(net.head.down.weight)
    return net


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_lifting_coefficients_is_lifting_fields(shape):
    net = t1(shape).double()
    u = torch.randn(3, 2, *shape, dtype=torch.float64)
    fast, literal = net(u), net.forward_reference(u)
    assert torch.allclose(fast, literal, atol=1e-5)  # the coordinates are float32
    parameters = list(net.parameters())
    grads = [torch.autograd.grad(y.square().sum(), parameters) for y in (fast, literal)]
    for one, other in zip(*grads, strict=True):
        assert float((one - other).norm()) <= 1e-4 * float(other.norm())


@pytest.mark.parametrize("modes", [(3, 6), (5, 2), (1, 1), (8, 8)], ids=str)
def test_different_modes_along_the_axes(modes):
    net = t1((8, 8), modes)
    assert net(torch.randn(2, 2, 8, 8)).shape == (2, 1, 8, 8)
    assert net.run(net.encode(torch.randn(2, 2, 8, 8))).shape == (2, 1, *modes)


def test_outside_of_the_kept_modes_the_output_is_zero():
    net = t1((8, 8), (3, 4))
    whole = T1((2, 1), (8, 8), lowest((8, 8), (8, 8)), width=4, layers=1).encode
    spectrum = whole(net(torch.randn(1, 2, 8, 8)).expand(-1, 2, -1, -1))
    assert float(spectrum[..., 3:, :].abs().max()) < 1e-5
    assert float(spectrum[..., 4:].abs().max()) < 1e-5
    assert float(spectrum[..., :3, :4].abs().max()) > 1e-3


def test_a_smooth_function_has_the_same_image_on_a_finer_grid():
    def field(n):
        x, y = coordinates((n, n))[0]
        return torch.stack([torch.cos(2 * x + y), torch.sin(3 * y)])[None]

    net = t1((32, 32), (6, 6))
    coarse, fine = net(field(32)), net(field(96))
    assert torch.allclose(fine[..., 1::3, 1::3], coarse, atol=0.02 * float(coarse.abs().max()))
    assert net(field(32)).shape[2:] == (32, 32)


def test_gradients_of_a_layered_network():
    net = t1((5, 4), (3, 2)).double()
    coefficients = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net.run, coefficients)


@pytest.mark.parametrize(
    ("model", "changes"),
    [("t1", {}), ("t1_plus", {}), ("t1_u", {"layers": 2}), ("fno", {"modes": 4}), ("unet", {})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_is_an_operator_that_survives_its_bytes(model, changes):
    config = ModelConfig(**{"model": model, "modes": 6, "width": 6, "layers": 2} | changes)
    rng = np.random.default_rng(0)
    u, y = rng.standard_normal((2, 4, 2, 12, 10))
    kept = choose_modes(config, u, y)
    torch.manual_seed(1)
    operator = Operator(config, (2, 2), (12, 10), kept)
    for parameter in operator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    encoded = [operator.net.encode(torch.as_tensor(part, dtype=torch.float32)) for part in (u, y)]
    operator.set_scales(*encoded)
    again = from_bytes(to_bytes(operator), config, (2, 2), (12, 10), kept)
    assert operator.predict(u).shape == y.shape
    assert np.array_equal(operator.predict(u), again.predict(u))


def test_scales_are_those_of_what_the_network_sees():
    config = ModelConfig(modes=5, width=3, layers=1)
    u = np.random.default_rng(0).standard_normal((400, 1, 8, 8)).astype(np.float32) * 7 + 3
    operator = Operator(config, (1, 1), (8, 8), choose_modes(config, u, u))
    encoded = operator.net.encode(torch.as_tensor(u))
    operator.set_scales(encoded, encoded)
    seen = operator.standardised(encoded)
    assert torch.allclose(seen.mean(0), torch.zeros(1), atol=1e-3)
    assert torch.allclose(seen.std(0), torch.ones(1), atol=1e-2)


def test_the_fourier_layer_is_its_equation():
    torch.manual_seed(0)
    layer = FourierLayer(3, (2, 3), (8, 9))
    x = torch.randn(2, 3, 8, 9)
    weight = torch.view_as_complex(layer.weight).reshape(4, 3, 3, 3)  # (x, y, in, out)
    spectrum, out = torch.fft.rfft2(x), torch.zeros(2, 3, 8, 5, dtype=torch.complex64)
    for i, kx in enumerate((0, 1, -2, -1)):
        for ky in range(3):
            out[:, :, kx, ky] = spectrum[:, :, kx, ky] @ weight[i, ky]
    assert torch.allclose(layer(x), torch.fft.irfft2(out, s=(8, 9)), atol=1e-6)


def test_one_axis_works_for_fno_and_t1():
    u = torch.randn(2, 1, 16)
    assert FNO((1, 1), (16,), (8,), width=4, layers=2)(u).shape == (2, 1, 16)
    net = T1((1, 1), (16,), lowest((16,), (16,)), width=4, layers=2)
    assert net(u).shape == (2, 1, 16)


def test_a_unet_takes_odd_sizes_and_says_what_it_cannot():
    assert UNet((2, 1), (4, 8, 8))(torch.randn(1, 2, 7, 13)).shape == (1, 1, 7, 13)
    with pytest.raises(ValueError, match="two grid axes"):
        UNet((1, 1), (4,))(torch.randn(1, 1, 8))
    net = T1U((1, 1), (9, 9), lowest((5, 6), (9, 9)), unet=(4, 8))
    assert net(torch.randn(1, 1, 9, 9)).shape == (1, 1, 9, 9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda o: o.predict(np.full((2, 1, 8, 8), np.nan)), "2 of 2 fields hold NaN"),
        (lambda o: o.predict(np.zeros((2, 2, 8, 8))), "fields of 1 channels"),
        (lambda o: o.predict(np.zeros((2, 1, 8))), "grid of 2 axes"),
        (lambda o: o.predict(np.zeros((2, 1, 4, 8))), "axis 0 has 4 points"),
    ],
    ids=["nan", "channels", "axes", "coarse"],
)
def test_bad_fields_are_refused_in_words(call, words):
    config = ModelConfig(modes=6, width=3, layers=1)
    u = np.zeros((1, 1, 8, 8))
    operator = Operator(config, (1, 1), (8, 8), choose_modes(config, u, u))
    with pytest.raises(ValueError, match=words):
        call(operator)


@pytest.mark.parametrize(
    ("model", "modes", "words"),
    [("t1", 9, "modes 9 on grid axis 0 of 8 points: give 1 to 8"),
     ("fno", 5, "modes 5 of an FNO on grid axis 0 of 8 points: give 1 to 4")],
    ids=["t1", "fno"],
)  # fmt: skip
def test_more_modes_than_the_grid_holds_are_refused(model, modes, words):
    config = ModelConfig(model=model, modes=modes, width=3, layers=1)
    u = np.zeros((1, 1, 8, 8))
    with pytest.raises(ValueError, match=words):
        build_network(config, (1, 1), (8, 8), choose_modes(config, u, u))
