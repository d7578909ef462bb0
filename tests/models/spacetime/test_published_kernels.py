"""The paper's two kernels against the default one: equal, or refused where they cannot be."""

import pytest
import torch

from models.spacetime.kernels import bound_l1, companion_kernel, companion_kernel_reference
from models.spacetime.published_kernels import (
    SingularKernelError,
    kernel_by_squaring,
    kernel_by_woodbury,
    kernel_of_truncated,
)

SIZES = [(2, 1), (2, 7), (4, 8), (31, 64), (64, 13), (64, 336), (5, 101)]
IDS = [f"d{d}-L{n}" for d, n in SIZES]


def vectors(d: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b, c = torch.randn(3, 3, d, generator=generator, dtype=torch.float64)
    return [v.requires_grad_() for v in (0.9 * bound_l1(a), b, c)]


@pytest.mark.parametrize("kernel", [kernel_by_squaring, kernel_by_woodbury])
@pytest.mark.parametrize(("d", "length"), SIZES, ids=IDS)
def test_all_three_are_the_recursion_in_value_and_gradient(kernel, d, length) -> None:
    inputs = vectors(d)
    weights = torch.linspace(-1, 1, length, dtype=torch.float64)

    def value_and_gradient(form) -> list[torch.Tensor]:
        found = form(*inputs, length)
        gradients = torch.autograd.grad((found * weights).sum(), inputs, allow_unused=True)
        return [found, *(torch.zeros(3, d).double() if g is None else g for g in gradients)]

    for one, other in zip(
        value_and_gradient(kernel), value_and_gradient(companion_kernel_reference), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("length", [64, 336, 720])
def test_woodbury_in_single_precision(length: int) -> None:
    a, b, c = (v.detach().float() for v in vectors(64))
    literal = companion_kernel_reference(a, b, c, length)
    error = (kernel_by_woodbury(a, b, c, length) - literal).abs().max() / literal.abs().max()
    assert error < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", ["positive", "walk"])
def test_woodbury_refuses_a_root_on_the_circle(kind: str, dtype: torch.dtype) -> None:
    a, b, c = (v.detach() for v in vectors(16))
    a = a.abs() if kind == "positive" else torch.eye(16, dtype=torch.float64)[-1:].expand(3, 16)
    inputs = [v.to(dtype) for v in (bound_l1(1e3 * a), b, c)]
    with pytest.raises(SingularKernelError, match="eigenvalue on the 40-point unit circle"):
        kernel_by_woodbury(*inputs, 40)
    literal = companion_kernel_reference(*inputs, 40)
    torch.testing.assert_close(companion_kernel(*inputs, 40), literal, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(kernel_by_squaring(*inputs, 40), literal, rtol=1e-4, atol=1e-4)


def test_a_vector_that_is_not_finite_is_refused() -> None:
    a, b, c = (v.detach() for v in vectors(4))
    a[0, 0] = torch.nan
    with pytest.raises(SingularKernelError):
        kernel_by_woodbury(a, b, c, 9)


def test_the_truncated_output_vector_may_be_the_trained_one() -> None:
    """With c~ = c the kernel is that of the sum over all laps: c A^i (I - A^L)^-1 b."""
    a, b, c = (v.detach() for v in vectors(6))
    laps = companion_kernel(a, b, c, 40 * 500).unflatten(-1, (500, 40)).sum(1)
    torch.testing.assert_close(kernel_of_truncated(a, b, c, 40), laps, rtol=1e-8, atol=1e-8)
