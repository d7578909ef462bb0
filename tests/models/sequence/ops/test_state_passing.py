"""State spaces: chunks with states handed over equal the recurrence and one long FFT."""

import pytest
import torch
from torch import Tensor

from models.sequence.ops.fft import fft_conv
from models.sequence.ops.state_passing import (
    last_state,
    recurrence_reference,
    ssm_kernel,
    ssm_kernel_reference,
    state_passing,
)


def poles(D: int, N: int, dtype: torch.dtype = torch.complex64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    a = torch.polar(1 - 0.1 * torch.rand(D, N).double(), 3 * torch.rand(D, N).double())
    return a.to(dtype), torch.randn(D, N, dtype=dtype)


def relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("L", [1, 2, 63, 97, 1024])
def test_a_kernel_of_two_levels_of_powers_is_the_vandermonde_one(L):
    a, w = poles(3, 8)
    expected = ssm_kernel_reference(a.to(torch.complex128), w.to(torch.complex128), L)
    assert relative(ssm_kernel(a, w, L), expected) <= 5e-6


@pytest.mark.parametrize("chunk", [1, 16, 64, 500])
@pytest.mark.parametrize("L", [1, 16, 97, 256])
def test_state_passing_equals_the_recurrence_and_one_fft(L, chunk):
    a, w = poles(3, 8)
    u = torch.randn(2, 3, L)
    y, state = state_passing(u, a, w, chunk)
    expected, last = recurrence_reference(u.double(), a.to(torch.complex128), w)
    assert relative(y, expected) <= 5e-6
    assert relative(y, fft_conv(u, ssm_kernel(a, w, L))) <= 5e-6
    assert relative(state, last) <= 5e-6


@pytest.mark.parametrize("L", [1, 16, 97, 256])
def test_the_state_after_a_prompt_alone_is_the_recurrences(L):
    a, w = poles(3, 8)
    u = torch.randn(2, 3, L)
    _, expected = recurrence_reference(u.double(), a.to(torch.complex128), w)
    assert relative(last_state(u, a), expected) <= 5e-6


def test_long_rows_agree_with_one_fft():
    a, w = poles(4, 32)
    u = torch.randn(1, 4, 16384)
    y, _ = state_passing(u, a, w)
    assert relative(y, fft_conv(u, ssm_kernel(a, w, 16384))) <= 5e-6


def test_a_state_given_back_goes_on():
    a, w = poles(3, 8)
    u = torch.randn(2, 3, 50)
    whole, last = state_passing(u, a, w, 8)
    first, state = state_passing(u[..., :23], a, w, 8)
    second, end = state_passing(u[..., 23:], a, w, 8, state)
    assert relative(torch.cat([first, second], -1), whole) <= 5e-6
    assert relative(end, last) <= 5e-6


def test_gradients_in_float64():
    a, w = (x.requires_grad_() for x in poles(2, 3, torch.complex128))
    u = torch.randn(1, 2, 11, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u, a, w: state_passing(u, a, w, 4), (u, a, w))
    assert torch.autograd.gradcheck(lambda a, w: ssm_kernel(a, w, 11), (a, w))


def test_no_output_depends_on_a_later_input():
    a, w = poles(2, 4)
    u = torch.randn(1, 2, 64, requires_grad=True)
    y, _ = state_passing(u, a, w, 16)
    (seen,) = torch.autograd.grad(y[..., 30].sum(), u)
    assert seen[..., 31:].abs().max() <= 1e-6
