import math

import pytest
import torch

from models.training import torch_threads, warmup_cosine


def test_the_rate_warms_up_and_falls_as_half_a_cosine():
    factors = [warmup_cosine(step, 110, 10) for step in range(111)]
    assert [factors[i] for i in (0, 9, 10, 60, 110)] == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)


@pytest.mark.parametrize("warmup", [0, 3])
def test_without_an_end_the_rate_stays_at_its_peak(warmup):
    assert {warmup_cosine(step, math.inf, warmup) for step in (3, 50, 10**6)} == {1.0}


def test_threads_are_set_for_a_block_and_put_back_after_an_error():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == before
