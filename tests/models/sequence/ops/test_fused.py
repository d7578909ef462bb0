"""The Triton kernel against the FFT, by Triton's interpreter; its fallback everywhere."""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from models.sequence.ops.fft import causal_conv_reference
from models.sequence.ops.fused import fused_conv, permuted_spectrum
from models.sequence.ops.monarch import balanced_factors, dft_matrix, twiddles

_INTERPRETED = """
import torch
from models.sequence.ops.fft import fft_conv
from models.sequence.ops.fused import fused_available, fused_conv
assert fused_available("cpu")
torch.manual_seed(0)
for B, D, L, K in ((1, 2, 128, 128), (3, 1, 256, 100), (2, 1, 512, 512)):
    u, k, skip = torch.randn(B, D, L), torch.randn(D, K), torch.randn(D)
    y, expected = fused_conv(u, k, skip), fft_conv(u, k, skip)
    assert (y - expected).norm() / expected.norm() <= 5e-6, (B, D, L, K)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton is not installed: CUDA builds have it",
)
def test_the_kernel_equals_the_fft_in_the_interpreter():
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", _INTERPRETED], env=environment, check=True)


@pytest.mark.parametrize("L", [1, 63, 128, 300])
def test_without_the_kernel_the_fft_does_the_same(L):
    torch.manual_seed(0)
    u, k, skip = torch.randn(2, 3, L), torch.randn(3, 97), torch.randn(3)
    torch.testing.assert_close(
        fused_conv(u, k, skip), causal_conv_reference(u, k, skip), rtol=1e-4, atol=1e-4
    )


def test_the_kernels_steps_in_plain_torch():
    """The same tables and the same order of products, without Triton."""
    torch.manual_seed(0)
    L, (rows, columns) = 128, balanced_factors(256, 2)
    u, k, skip = torch.randn(2, 3, L), torch.randn(3, L), torch.randn(3)
    z = torch.complex(u[0], u[1])
    z = torch.nn.functional.pad(z, (0, L)).view(3, rows, columns)
    f1, f2, turn = dft_matrix(rows), dft_matrix(columns), twiddles(rows, columns)
    k_f = permuted_spectrum(k, L, skip)
    x = (f1 @ z * turn) @ f2 * torch.complex(k_f[:, 0], k_f[:, 1])
    y = f1.conj() @ (x @ f2.conj() * turn.conj()) / 256
    told = y.flatten(1)[:, :L]
    expected = causal_conv_reference(u, k, skip)
    assert (torch.stack([told.real, told.imag]) - expected).norm() / expected.norm() <= 5e-6
