"""The benchmark's rows, small; and what it says where the peer is not installed."""

import sys

import pytest

from models.t1.benchmark import benchmark, neuraloperator
from models.t1.config import BenchmarkConfig
from models.t1.fno import FNO


def count(network):
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in network.parameters())


def test_every_case_is_measured_on_both_sides():
    pytest.importorskip("neuralop")
    small = BenchmarkConfig(grids=(16,), modes=4, width=4, layers=1, batch=1, runs=1, threads=1)
    rows = list(benchmark(small))
    pairs = {(row.case, row.ours, row.peer) for row in rows}
    assert pairs == {
        (case, ours, peer)
        for case in ("training step", "inference")
        for ours, peer in (("T1", "FNO"), ("FNO", "neuraloperator"), ("T1", "neuraloperator"))
    }
    assert all(row.ours_value > 0 and row.ratio > 0 for row in rows)


def test_both_fnos_have_about_the_same_numbers():
    pytest.importorskip("neuralop")
    ours = FNO((1, 1), (32, 32), (8, 8), width=8, layers=3)
    theirs = neuraloperator()(8, 8, 3)
    # They keep one more mode on the last axis.
    assert count(theirs) == pytest.approx(count(ours), rel=0.2)


def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "neuralop.models", None)
    with pytest.raises(ModuleNotFoundError, match="install the extra 'peers'"):
        next(benchmark(BenchmarkConfig()))
