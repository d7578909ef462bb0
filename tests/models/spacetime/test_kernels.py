"""The fast kernel against the literal recursion, in value and gradient, and its special cases."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.spacetime.kernels import (
    bound_l1,
    causal_conv,
    companion_kernel,
    companion_kernel_reference,
    companion_matrix,
    fast_length,
    hankel,
    reciprocal_series,
)

ROWS = 3
SIZES = [(1, 1), (1, 6), (2, 1), (4, 7), (5, 101), (8, 8), (31, 64), (64, 13), (64, 336)]


def last_column(kind: str, d: int, generator: torch.Generator) -> Tensor:
    a = torch.randn(ROWS, d, generator=generator, dtype=torch.float64)
    if kind == "positive":  # a root on the unit circle, at 1
        a = a.abs()
    if kind == "walk":
        a = torch.zeros_like(a)
        a[:, -1] = 1.0
    return bound_l1(a)


def vectors(kind: str, d: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(d)
    b, c = torch.randn(2, ROWS, d, generator=generator, dtype=torch.float64)
    return last_column(kind, d, generator), b, c


@pytest.mark.parametrize("kind", ["random", "positive", "walk"])
@pytest.mark.parametrize(("d", "length"), SIZES, ids=[f"d{d}-L{n}" for d, n in SIZES])
def test_kernel_equals_the_recursion_in_value_and_gradient(kind: str, d: int, length: int) -> None:
    inputs = [v.requires_grad_() for v in vectors(kind, d)]
    fast = companion_kernel(*inputs, length)
    literal = companion_kernel_reference(*inputs, length)
    torch.testing.assert_close(fast, literal, rtol=1e-10, atol=1e-10)
    weights = torch.linspace(-1, 1, length, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((fast * weights).sum(), inputs),
        torch.autograd.grad((literal * weights).sum(), inputs, allow_unused=True),
        strict=True,
    ):  # at L = 1 the recursion never uses a
        torch.testing.assert_close(
            one, torch.zeros_like(one) if other is None else other, rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("kind", ["random", "positive", "walk"])
def test_kernel_in_single_precision(kind: str) -> None:
    a, b, c = (v.float() for v in vectors(kind, 64))
    literal = companion_kernel_reference(a, b, c, 336)
    error = (companion_kernel(a, b, c, 336) - literal).abs().max() / literal.abs().max()
    assert error < 1e-4


@given(d=st.integers(1, 20), length=st.integers(1, 70), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_kernel_at_any_size(d: int, length: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b, c = torch.randn(3, 2, d, generator=generator, dtype=torch.float64)
    a = bound_l1(a)
    literal = companion_kernel_reference(a, b, c, length)
    torch.testing.assert_close(companion_kernel(a, b, c, length), literal, rtol=1e-9, atol=1e-9)


def test_gradcheck() -> None:
    inputs = tuple(v.requires_grad_() for v in vectors("random", 5))
    assert torch.autograd.gradcheck(lambda a, b, c: companion_kernel(a, b, c, 11), inputs)


def test_several_outputs_share_one_state_space() -> None:
    a, b, c = vectors("random", 6)
    both = companion_kernel(a, b, torch.stack((c, 2 * c)), 9)
    torch.testing.assert_close(both[1], 2 * companion_kernel(a, b, c, 9))


def test_first_column_is_the_shift_when_nothing_is_fed_back() -> None:
    taps = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    first = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    kernel = companion_kernel(torch.zeros_like(taps), first, taps, 5)
    expected = torch.tensor([0.5, -1.0, 2.0, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(kernel, expected)


@given(d=st.integers(1, 40), seed=st.integers(0, 10_000), size=st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_bounded_state_matrices_do_not_grow(d: int, seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = bound_l1(size * torch.randn(d, generator=generator, dtype=torch.float64))
    assert a.abs().sum() <= 1 + 1e-12
    radius = torch.linalg.eigvals(companion_matrix(a)).abs().max()
    # A k-fold root on the circle moves by eps^(1/k) in the eigenvalue solver.
    assert radius <= 1 + 1e-6


def test_bound_leaves_short_vectors_alone() -> None:
    a = torch.tensor([0.3, -0.2])
    assert torch.equal(bound_l1(a), a)


@pytest.mark.parametrize("length", [1, 2, 3, 17, 64, 100])
def test_reciprocal_series(length: int) -> None:
    p = torch.randn(2, length, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = p / length
    p[:, 0] = 1.0
    one = torch.zeros_like(p)
    one[:, 0] = 1.0
    torch.testing.assert_close(causal_conv(p, reciprocal_series(p)), one, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("length", "taps"), [(1, 1), (7, 3), (13, 13), (64, 10), (5, 9)])
def test_causal_conv_equals_the_sum(length: int, taps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(2, 3, length, generator=generator, dtype=torch.float64)
    k = torch.randn(3, taps, generator=generator, dtype=torch.float64)
    y = torch.zeros_like(u)
    for t in range(length):
        for i in range(min(t + 1, taps)):
            y[..., t] += k[:, i] * u[..., t - i]
    torch.testing.assert_close(causal_conv(u, k), y)


@pytest.mark.parametrize(
    ("u_shape", "k_shape"),
    [((2, 3, 7), (3, 4)), ((3, 5), (2, 3, 5)), ((2, 1, 3, 6), (4, 3, 6)), ((1, 4), (5, 1))],
    ids=["kernel-for-a-batch", "batch-of-kernels", "both-broadcast", "single-tap"],
)
def test_causal_conv_gradcheck_when_broadcast(
    u_shape: tuple[int, ...], k_shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(2)
    u, k = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in (u_shape, k_shape)
    )
    assert torch.autograd.gradcheck(causal_conv, (u, k))


def test_a_batch_that_goes_by_in_blocks_is_convolved_like_its_rows() -> None:
    generator = torch.Generator().manual_seed(3)
    u = torch.randn(5, 20, 2000, generator=generator, dtype=torch.float64, requires_grad=True)
    k = torch.randn(20, 1500, generator=generator, dtype=torch.float64, requires_grad=True)
    rows = torch.stack([causal_conv(row, k) for row in u])
    torch.testing.assert_close(causal_conv(u, k), rows)
    weights = torch.randn(rows.shape, generator=generator, dtype=torch.float64)
    for one, other in zip(
        *(torch.autograd.grad((y * weights).sum(), (u, k)) for y in (causal_conv(u, k), rows)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("length", "columns"), [(1, 1), (5, 2), (5, 4), (7, 7), (40, 3)])
def test_hankel_is_overlapping_windows(length: int, columns: int) -> None:
    v = torch.randn(2, length, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(hankel(v, columns), v.unfold(-1, columns, 1))
    assert torch.autograd.gradcheck(hankel, (v, columns))


@given(st.integers(1, 100_000))
def test_fast_length_is_long_enough_and_not_much_longer(minimum: int) -> None:
    assert minimum <= fast_length(minimum) <= max(1.5 * minimum, minimum + 1)
