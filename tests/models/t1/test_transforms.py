"""The transform against scipy's, its inverse, and what it says about norms and grids."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.t1 import transforms
from models.t1.modes import lowest
from models.t1.transforms import Transform, dct_by_fft, dct_matrix, idct_by_fft

SIZES = [1, 2, 3, 8, 13, 64, 127]


@pytest.mark.parametrize("n", SIZES)
def test_the_matrix_is_orthonormal_and_scipys(n):
    c = dct_matrix(n)
    assert torch.allclose(c @ c.T, torch.eye(n, dtype=torch.float64), atol=1e-12)
    assert np.allclose(c.numpy(), scipy.fft.dct(np.eye(n), axis=0, norm="ortho"), atol=1e-12)


@given(st.integers(1, 200), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_the_fft_form_is_the_matrix_form(n, seed):
    x = torch.randn(3, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    spectrum = dct_by_fft(x)
    assert torch.allclose(spectrum, x @ dct_matrix(n).T, atol=1e-10)
    assert torch.allclose(idct_by_fft(spectrum), x, atol=1e-10)


@pytest.mark.parametrize("form", ["matrix", "fft"])
@pytest.mark.parametrize("shape", [(17,), (8, 8), (12, 7)], ids=str)
def test_equals_scipys_keeps_norms_and_comes_back(shape, form, monkeypatch):
    monkeypatch.setattr(transforms, "MATRIX_UP_TO", 0 if form == "fft" else 512)
    x = torch.randn(2, 3, *shape)
    whole = Transform(shape, lowest(shape, shape))
    spectrum = whole(x)
    axes = tuple(range(2, x.ndim))
    assert np.allclose(spectrum, scipy.fft.dctn(x.numpy(), axes=axes, norm="ortho"), atol=1e-6 * 8)
    assert torch.allclose(whole.inverse(spectrum), x, atol=1e-5)
    assert float(spectrum.norm()) == pytest.approx(float(x.norm()), rel=1e-6)
    y = torch.randn_like(x)
    assert float((spectrum - whole(y)).norm()) == pytest.approx(float((x - y).norm()), rel=1e-6)
    few = Transform(shape, [[0, *range(2, n)] for n in shape])
    index = np.ix_(*([0, *range(2, n)] for n in shape))
    assert torch.allclose(few(x), spectrum[(slice(None), slice(None), *index)], atol=1e-5)


@pytest.mark.parametrize("form", ["matrix", "fft"])
def test_gradients_of_both_forms(form):
    c = dct_matrix(6)
    forward = (lambda x: x @ c.T) if form == "matrix" else dct_by_fft
    backward = (lambda x: x @ c) if form == "matrix" else idct_by_fft
    x = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(forward, x)
    assert torch.autograd.gradcheck(backward, x)
    weight = torch.randn(2, 6, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((forward(x) * weight).sum(), x)
    assert torch.allclose(gradient, backward(weight))


def test_coefficients_of_a_function_grow_with_the_square_root_of_the_points():
    def coefficients(n):
        points = (torch.arange(n) + 0.5) / n
        f = torch.exp(torch.sin(3 * points))[None, None]
        return Transform((n,), [range(8)])(f)

    ratio = coefficients(256) / coefficients(64)
    assert torch.allclose(ratio, torch.full_like(ratio, math.sqrt(4)), rtol=5e-3)


def test_modes_beyond_the_grid_and_other_grids_are_refused():
    with pytest.raises(ValueError, match=r"axis 1 has 8 points.*modes up to 9 do not fit"):
        Transform((16, 8), [range(9), range(9)])
    with pytest.raises(ValueError, match="8 x 8 grid expected, the field has 8 x 9"):
        Transform((8, 8), [range(2), range(2)])(torch.zeros(1, 1, 8, 9))
