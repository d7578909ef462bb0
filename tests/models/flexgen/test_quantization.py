"""The codec: errors within half a step, 4.5 bits a value, and nothing that is not finite."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.flexgen.config import compressed_bytes
from models.flexgen.quantization import (
    dequantize,
    dequantize_columns,
    dequantize_reference,
    quantize,
    quantize_columns,
)

shapes = st.lists(st.integers(1, 33), min_size=1, max_size=3).map(tuple)


def groups_of(x, group):
    """Rows of a group, the last one filled up as the codec does."""
    flat = x.flatten()
    return torch.cat([flat, flat[-1:].expand(-len(flat) % group)]).view(-1, group)


@settings(max_examples=150, deadline=None)
@given(
    shape=shapes,
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([1e-6, 1e-3, 0.02, 1.0, 300.0]),
    shift=st.sampled_from([0.0, -3.0, 50.0]),
    group=st.sampled_from([2, 32, 64, 128]),
)
def test_error_is_at_most_half_a_step(shape, seed, scale, shift, group):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale + shift
    back = dequantize(quantize(x, group))
    low, high = groups_of(x, group).aminmax(dim=1)
    # Half a step, plus what rounding minimum and step to fp16 moves the ends of the range.
    rounding = 2**-11 * low.abs() + 15 * 2**-11 * (high - low) / 15 + 15 * 2**-24
    bound = (high - low) / 30 + 2 * rounding + 1e-7 * high.abs()
    error = (groups_of(back, group) - groups_of(x, group)).abs().amax(dim=1)
    assert (error <= bound).all()


@settings(max_examples=50, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**31), group=st.sampled_from([2, 64]))
def test_fast_decoding_is_the_reference(shape, seed, group):
    packed = quantize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), group)
    assert packed.shape == shape
    assert torch.equal(dequantize(packed), dequantize_reference(packed))


def test_decoding_in_chunks_is_the_reference():
    packed = quantize(torch.randn(8192 * 64 * 2 + 17, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(dequantize(packed), dequantize_reference(packed))


@pytest.mark.parametrize("value", [0.0, 1.5, -7.0, 1e-9, 65504.0])
def test_a_group_of_equal_values_comes_back(value):
    back = dequantize(quantize(torch.full((3, 64), value)))
    assert torch.equal(back, torch.full((3, 64), value).half().float())


@pytest.mark.parametrize("spread", [1e-9, 1e-6, 1e-4, 2e-4])
def test_nearly_equal_values_stay_finite(spread):
    """15 / (max - min) would overflow fp16 below a range of 2.3e-4; the step does not."""
    x = 0.25 + spread * torch.linspace(0, 1, 64)
    back = dequantize(quantize(x))
    assert back.isfinite().all()
    assert (back - x).abs().max() <= spread / 30 + 2e-4


def test_values_beyond_fp16_are_clamped_not_infinite():
    back = dequantize(quantize(torch.tensor([1e9, -1e9] * 32)))
    assert back.isfinite().all()


def test_first_value_of_a_byte_is_its_high_half():
    x = torch.arange(16.0).repeat(4)
    packed = quantize(x)
    assert packed.codes[0, :8].tolist() == [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]


@pytest.mark.parametrize(("values", "group"), [(64, 64), (640, 64), (65, 64), (1, 64), (96, 32)])
def test_four_and_a_half_bits_a_value(values, group):
    packed = quantize(torch.randn(values), group)
    assert packed.nbytes == compressed_bytes(values, group)
    if values % 64 == 0 and group == 64:
        assert packed.nbytes * 8 == 4.5 * values


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decodes_into_given_memory(dtype):
    x = torch.randn(7, 96, generator=torch.Generator().manual_seed(1))
    out = torch.empty(7, 96, dtype=dtype)
    assert dequantize(quantize(x), out) is out
    torch.testing.assert_close(out.float(), dequantize(quantize(x)), atol=0.03, rtol=0.01)


def test_a_memory_map_is_as_good_as_memory(tmp_path):
    x = np.random.default_rng(0).standard_normal((33, 65)).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    mapped = torch.from_numpy(np.load(tmp_path / "x.npy", mmap_mode="c"))
    assert torch.equal(
        dequantize(quantize(mapped)), dequantize(quantize(torch.from_numpy(x).float()))
    )


@settings(max_examples=50, deadline=None)
@given(
    rows=st.sampled_from([2, 4, 64]),
    columns=st.integers(1, 9),
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_columns_are_groups(rows, columns, seed, dtype):
    """Column by column what `quantize` makes of it."""
    x = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(seed)).to(dtype)
    packed = quantize_columns(x)
    assert packed.nbytes == compressed_bytes(x.numel(), rows)
    back = dequantize_columns(packed, torch.empty(3, columns, rows, dtype=dtype).transpose(1, 2))
    expected = dequantize(
        quantize(x.transpose(1, 2), rows), torch.empty(3, columns, rows).to(dtype)
    )
    assert torch.equal(back.transpose(1, 2), expected)
