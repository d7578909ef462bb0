"""The benchmark's own code, on a model of two layers: everything runs, and says what it should."""

import pytest

from models.flexgen.benchmark import (
    BenchmarkConfig,
    benchmark,
    contestant,
    grid,
    grid_measurement,
)
from models.flexgen.config import Policy
from models.flexgen.contestant import Entry, Result
from models.flexgen.random_weights import OptShape, write_random_opt
from models.flexgen.weights import WeightFolder

TINY = OptShape(layers=2, width=64, heads=4, vocab=300, context=64, dtype="bfloat16")
QUICK = BenchmarkConfig(
    shape=TINY, grid_shape=TINY, cap_bytes=600 << 20, requests=8, prompt=8, tokens=3,
    batches=(4,), threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return list(benchmark(QUICK, tmp_path_factory.mktemp("benchmark")))


def test_it_compares_with_accelerate_four_bits_and_no_overlap(measured):
    assert [m.case for m in measured] == [
        "weights from disk, cold",
        "weights in 4 bits",
        "overlap of disk and processor",
    ]
    assert all(m.higher_is_better and m.ratio > 0 and m.unit == "tokens/s" for m in measured)
    assert {"accelerate", "transformers", "torch"} <= set(measured[0].versions)
    assert "OPT l=2 h1=64, 8 prompts of 8, 3 new" in measured[0].size


def test_a_contestant_that_does_not_fit_is_told(tmp_path):
    folder = write_random_opt(tmp_path / "model", TINY)
    entry = Entry(
        who="engine", folder=folder, scratch=tmp_path, cap_bytes=1 << 20, requests=2, prompt=4,
        tokens=2, threads=1,
    )  # fmt: skip
    with pytest.raises(MemoryError, match="the interpreter alone takes"):
        contestant(entry, 120)


def test_the_grid_has_at_least_twenty_policies_over_all_tiers():
    policies = list(grid(BenchmarkConfig()))
    assert len({policy.model_dump_json() for policy in policies}) >= 20
    assert {policy.wd for policy in policies} == {0, 50, 100}
    assert {policy.cd for policy in policies} == {0, 100}


def test_the_planned_policy_is_measured_against_the_best_of_the_grid():
    speeds = {"planned": 9.0, "1": 3.0, "2": 10.0}
    found = [
        (name, Result(tokens_per_s=v, seconds=1, peak_bytes=1, policy=Policy()))
        for name, v in speeds.items()
    ]
    assert grid_measurement(QUICK, found).ratio == pytest.approx(0.9)


def test_random_weights_have_the_shape_and_are_written_once(tmp_path):
    folder = write_random_opt(tmp_path / "model", TINY)
    shape = WeightFolder(folder).shape
    assert (shape.layers, shape.width, shape.heads, shape.vocab) == (2, 64, 4, 300)
    assert shape.weight_type == "bfloat16"
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    write_random_opt(folder, TINY)
    assert stamps == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    other = write_random_opt(folder, TINY.model_copy(update={"layers": 3}))
    assert WeightFolder(other).shape.layers == 3


def test_transformers_reads_the_random_weights(tmp_path):
    from transformers import AutoModelForCausalLM

    folder = write_random_opt(tmp_path / "model", TINY)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    assert model.config.num_hidden_layers == 2
    assert sum(p.numel() for p in model.parameters()) == sum(
        tensor.values for tensor in WeightFolder(folder)._tensors.values()
    )
