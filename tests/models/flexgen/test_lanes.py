"""Lanes work beside the caller, in order, or at once without overlap."""

import threading

import pytest
import torch

from models.flexgen.lanes import Lanes


def test_work_goes_on_beside_the_caller():
    lanes = Lanes(True, {"a": 1})
    gate = threading.Event()
    waiting = lanes.submit("a", gate.wait, 60)
    assert not waiting.done()
    gate.set()  # without overlap this line would never be reached
    assert waiting.result()
    lanes.close()


def test_a_lane_of_one_thread_keeps_its_order():
    lanes = Lanes(True, {"a": 1, "b": 2})
    done = []
    futures = [lanes.submit("a", done.append, number) for number in range(50)]
    for future in futures:
        future.result()
    assert done == list(range(50))
    lanes.close()


def test_without_overlap_work_is_done_at_once_in_the_calling_thread():
    lanes = Lanes(False, {"a": 1})
    assert lanes.submit("a", threading.get_ident).result() == threading.get_ident()
    lanes.close()


@pytest.mark.parametrize("overlap", [True, False])
def test_errors_come_with_the_result(overlap):
    lanes = Lanes(overlap, {"a": 1})
    future = lanes.submit("a", int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()
    assert lanes.busy["a"] >= 0
    lanes.close()


def test_threads_of_torch_stay_as_they_were():
    before = torch.get_num_threads()
    lanes = Lanes(True, {"a": 2})
    assert lanes.submit("a", torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == before
    seen = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [before]
    lanes.close()
