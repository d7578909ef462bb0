"""Every causal convolution equals the definition, in value and gradient, and is causal."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.sequence.ops.fft import causal_conv_reference, fft_conv, fft_size, spectrum
from models.sequence.ops.monarch import monarch_conv, three_pass_conv
from models.sequence.ops.online import OnlineConv
from models.sequence.ops.short import short_conv
from models.sequence.ops.streams import FirStream
from models.sequence.ops.toeplitz import toeplitz_conv

Conv = Callable[[Tensor, Tensor], Tensor]


def online(u: Tensor, k: Tensor) -> Tensor:
    """Half of the input as a prompt, the rest step by step."""
    prompt = u.shape[-1] // 2
    stream = OnlineConv(k, len(u), u.shape[-1] - prompt, u[..., :prompt])
    told = [stream.step(u[..., t]) for t in range(prompt, u.shape[-1])]
    before = fft_conv(u[..., :prompt], k) if prompt else u[..., :0]
    return before, torch.stack(told, -1)


CONVOLUTIONS: dict[str, Conv] = {
    "fft": fft_conv,
    "short": short_conv,
    "toeplitz": lambda u, k: toeplitz_conv(u, k, block=64),
    "monarch2": monarch_conv,
    "monarch3": lambda u, k: monarch_conv(u, k, factors=(8, 8, 8)),
    "three passes": three_pass_conv,
}
DIFFERENTIABLE = pytest.mark.parametrize("conv", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
SIZES = pytest.mark.parametrize(
    ("B", "D", "L", "K"),
    [(1, 1, 1, 1), (2, 3, 63, 5), (1, 2, 97, 64), (2, 2, 128, 64), (3, 1, 7, 60), (1, 4, 200, 1)],
    ids=str,
)


def relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm().clamp(min=1e-12)).item()


@DIFFERENTIABLE
@SIZES
def test_equals_the_definition_in_value_and_gradient(conv, B, D, L, K):
    torch.manual_seed(0)
    u, k, dy = torch.randn(B, D, L), torch.randn(D, K), torch.randn(B, D, L)
    told = []
    for function in (conv, causal_conv_reference):
        leaves = (u.clone().requires_grad_(), k.clone().requires_grad_())
        y = function(*leaves)
        y.backward(dy)
        told.append((y.detach(), *(leaf.grad for leaf in leaves)))
    for found, expected in zip(*told, strict=True):
        assert relative(found, expected) <= 5e-6


@DIFFERENTIABLE
@pytest.mark.parametrize("L", [1, 5, 8])
def test_gradients_in_float64(conv, L):
    torch.manual_seed(0)
    u = torch.randn(2, 2, L, dtype=torch.float64, requires_grad=True)
    k = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(conv, (u, k))


@pytest.mark.parametrize("conv", [fft_conv, monarch_conv, three_pass_conv])
def test_the_skip_and_its_gradient(conv):
    torch.manual_seed(0)
    leaves = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 3, 11), (3, 11), (3,))
    ]
    assert relative(conv(*leaves), causal_conv_reference(*leaves)) < 1e-13
    assert torch.autograd.gradcheck(conv, leaves)


@DIFFERENTIABLE
def test_no_output_depends_on_a_later_input(conv):
    torch.manual_seed(0)
    u = torch.randn(1, 2, 96, requires_grad=True)
    y = conv(u, torch.randn(2, 40))
    for t in (0, 31, 94):
        (seen,) = torch.autograd.grad(y[..., t].sum(), u, retain_graph=True)
        assert seen[..., t + 1 :].abs().max() <= 1e-6
        assert seen[..., t].abs().min() > 0


@pytest.mark.parametrize("L", [1, 2, 33, 97, 300])
def test_online_equals_the_definition(L):
    torch.manual_seed(0)
    u, k = torch.randn(2, 3, L), torch.randn(3, 257)
    before, after = online(u, k)
    assert relative(torch.cat([before, after], -1), causal_conv_reference(u, k)) <= 5e-6


def test_online_ends_where_it_was_prepared_to():
    stream = OnlineConv(torch.ones(1, 4), 1, 2)
    stream.step(torch.ones(1, 1))
    stream.step(torch.ones(1, 1))
    with pytest.raises(ValueError, match="2 steps"):
        stream.step(torch.ones(1, 1))


@pytest.mark.parametrize("prompt", [0, 1, 3, 10])
def test_a_stream_of_few_taps_goes_on_where_the_prompt_ended(prompt):
    torch.manual_seed(0)
    u, k = torch.randn(2, 3, 15), torch.randn(3, 4)
    stream = FirStream(k, u[..., :prompt], 15 - prompt)
    told = torch.stack([stream.step(u[..., t]) for t in range(prompt, 15)], -1)
    torch.testing.assert_close(told, causal_conv_reference(u, k)[..., prompt:])


def test_a_spectrum_serves_many_inputs_up_to_its_length():
    torch.manual_seed(0)
    k, skip = torch.randn(3, 50), torch.randn(3)
    made = spectrum(k, 64, skip)
    for L in (1, 40, 64):
        u = torch.randn(2, 3, L)
        assert relative(fft_conv(u, made), causal_conv_reference(u, k, skip)) <= 5e-6
    with pytest.raises(ValueError, match="64 steps"):
        fft_conv(torch.randn(2, 3, 65), made)


def test_an_input_with_a_gradient_may_meet_a_spectrum():
    u = torch.randn(1, 2, 9, dtype=torch.float64, requires_grad=True)
    made = spectrum(torch.randn(2, 9, dtype=torch.float64), 9)
    assert torch.autograd.gradcheck(lambda u: fft_conv(u, made), (u,))


def test_long_rows_go_by_in_blocks_of_channels():
    torch.manual_seed(0)
    u, k = torch.randn(2, 5, 2**18), torch.randn(5, 3)
    y = fft_conv(u.requires_grad_(), k.requires_grad_())
    assert relative(y, short_conv(u, k)) <= 5e-6
    dy = torch.randn_like(y)
    found = torch.autograd.grad(y, (u, k), dy)
    expected = torch.autograd.grad(short_conv(u, k), (u, k), dy)
    assert all(relative(f, e) <= 5e-6 for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    torch.manual_seed(0)
    u, k = torch.randn(2, 3, 50).to(dtype), torch.randn(3, 50).to(dtype)
    y = fft_conv(u.requires_grad_(), k.requires_grad_())
    y.float().sum().backward()
    assert y.dtype == u.grad.dtype == k.grad.dtype == dtype
    rounded = causal_conv_reference(u.float(), k.float()).to(dtype)
    torch.testing.assert_close(y, rounded, rtol=2e-2, atol=2e-2)


@DIFFERENTIABLE
def test_any_layout(conv):
    torch.manual_seed(0)
    u, k = torch.randn(2, 40, 6)[..., ::2].transpose(1, 2), torch.randn(20, 3).T
    assert relative(conv(u, k), causal_conv_reference(u, k)) <= 5e-6


def test_what_is_no_number_stays_in_its_row():
    u = torch.randn(2, 3, 20)
    u[1, 2, 7] = torch.nan
    y = fft_conv(u, torch.randn(3, 20))
    assert y[1, 2].isnan().all()
    y[1, 2] = 0
    assert y.isfinite().all()


@DIFFERENTIABLE
@pytest.mark.parametrize(
    ("u", "k"),
    [((1, 2, 0), (2, 3)), ((1, 2, 4), (2, 0)), ((1, 2, 4), (3, 4)), ((2, 4), (2, 4))],
    ids=["no step", "no tap", "other channels", "no batch"],
)
def test_bad_operands_are_told(conv, u, k):
    with pytest.raises(ValueError, match="causal convolution"):
        conv(torch.zeros(u), torch.zeros(k))


def test_a_toeplitz_block_reaches_one_block_back():
    with pytest.raises(ValueError, match="more than a block"):
        toeplitz_conv(torch.zeros(1, 1, 100), torch.zeros(1, 66), block=64)


@pytest.mark.parametrize("least", [1, 2, 7, 97, 1000, 1025, 131071])
def test_sizes_are_smooth_and_hardly_larger(least):
    size = fft_size(least)
    assert least <= size <= max(2 * least - 1, 1)
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    assert size == 1
