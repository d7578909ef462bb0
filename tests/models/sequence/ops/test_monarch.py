"""FFTs as products of small matrices equal torch's."""

import pytest
import torch

from models.sequence.ops.monarch import (
    FACTORS,
    balanced_factors,
    dft_matrix,
    monarch_conv,
    monarch_fft,
)


@pytest.mark.parametrize(
    "factors", [(1,), (7,), (4, 4), (3, 5), (16, 16), (2, 3, 5), (8, 8, 8), (4, 2, 4, 2)],
    ids=str,
)  # fmt: skip
def test_any_order_is_the_dft(factors):
    torch.manual_seed(0)
    x = torch.randn(2, 3, torch.Size(factors).numel(), dtype=torch.complex64)
    error = (monarch_fft(x, factors) - torch.fft.fft(x)).norm() / x.norm() / x.shape[-1] ** 0.5
    assert error <= 5e-6


def test_matrices_of_each_channel():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, dtype=torch.complex128)
    shared = [dft_matrix(n, x.dtype) for n in (4, 8)]
    own = [matrix.repeat(3, 1, 1) for matrix in shared]
    torch.testing.assert_close(monarch_fft(x, (4, 8), own), torch.fft.fft(x))
    own[0][1] *= 2
    changed = monarch_fft(x, (4, 8), own)
    torch.testing.assert_close(changed[:, 1], 2 * torch.fft.fft(x)[:, 1])
    torch.testing.assert_close(changed[:, 2], torch.fft.fft(x)[:, 2])


def test_factors_of_the_table_multiply_to_their_size():
    assert all(torch.Size(factors).numel() == size for size, factors in FACTORS.items())
    assert balanced_factors(8192, 2) == (128, 64)
    assert balanced_factors(4096, 3) == (16, 16, 16)


def test_bad_factors_are_told():
    with pytest.raises(ValueError, match="do not multiply to 8"):
        monarch_fft(torch.zeros(1, 8, dtype=torch.complex64), (2, 2))
    with pytest.raises(ValueError, match="power of two"):
        balanced_factors(12, 2)
    with pytest.raises(ValueError, match="are needed"):
        monarch_conv(torch.zeros(1, 1, 8), torch.zeros(1, 8), factors=(2, 4))
