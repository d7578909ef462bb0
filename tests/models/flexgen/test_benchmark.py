"""The benchmark's own code, on a model of two layers: everything runs, and says what it should."""

import pytest

from models.flexgen.benchmark import BenchmarkConfig, benchmark, contestant
from models.flexgen.config import Policy
from models.flexgen.contestant import Entry
from models.flexgen.grid import GridEntry, GridResult, Tried, policies
from models.flexgen.random_weights import OptShape, write_random_opt
from models.flexgen.weights import WeightFolder

TINY = OptShape(layers=2, width=64, heads=4, vocab=300, context=64, dtype="bfloat16")
QUICK = BenchmarkConfig(
    shape=TINY, grid_shape=TINY, cap_bytes=600 << 20, grid_runs=1, requests=8, prompt=8,
    tokens=3, batches=(4,), threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return list(benchmark(QUICK, tmp_path_factory.mktemp("benchmark")))


def test_it_compares_with_accelerate_four_bits_and_no_overlap(measured):
    assert [m.case for m in measured] == [
        "weights from disk, cold",
        "weights in 4 bits",
        "overlap of disk and processor",
        "LP against the best of a grid",
        "predicted throughput",
    ]
    assert all(m.higher_is_better and m.ratio > 0 for m in measured)
    assert [m.unit for m in measured] == ["tokens/s"] * 4 + ["policies"]
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


def test_the_grid_has_at_least_thirty_policies_over_all_tiers(tmp_path):
    entry = GridEntry(folder=tmp_path, scratch=tmp_path, memory_bytes=1)
    found = list(policies(entry))
    assert len({policy.model_dump_json() for policy in found}) >= 30
    assert {policy.wd for policy in found} == {0, 50, 100}
    assert {policy.cd for policy in found} == {0, 100}
    assert {policy.bls for policy in found} == {entry.requests}


def test_predictions_are_counted_with_the_planned_policy():
    pairs = [(1.0, 1.0), (1.2, 1.0), (0.69, 1.0), (2.5, 2.0)]
    planned, *grid = (
        Tried(policy=Policy(), predicted=predicted, measured=measured, runs=1)
        for predicted, measured in pairs
    )
    found = GridResult(planned=planned, grid=grid)
    assert found.within(0.3) == 3
    assert found.within(0.1) == 1


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
