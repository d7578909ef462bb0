"""A measurement becomes a row of `benchmarks`, ratio and all."""

import json

from data.lake import Lake
from data.lake.tables.house import Benchmarks
from models.evaporate.config import BenchmarkConfig as EvaporateBenchmark
from models.lm.config import ModelConfig
from models.measuring import Measurement, in_turn
from models.t1.config import BenchmarkConfig
from models.tart.config import BenchmarkConfig as TartBenchmark
from tasks.benchmarks import _rows, evaporate_benchmarks, t1_benchmarks, tart_benchmarks
from tasks.lm import language_model
from tasks.provenance import alone
from tasks.tart import reasoning_heads, shipped


def test_the_ratio_is_above_one_when_ours_is_better_whatever_the_unit():
    faster = Measurement("c", "s", "ours", 2.0, "peer", 6.0, "ms")
    more = Measurement("c", "t", "ours", 6.0, "peer", 2.0, "tokens/s", higher_is_better=True)
    rows = _rows("x", [faster, more]).to_pylist()
    assert [row["ratio"] for row in rows] == [3.0, 3.0]


def test_contestants_are_run_in_turn_after_their_warm_ups():
    ran: list[str] = []
    medians = in_turn({name: lambda name=name: ran.append(name) for name in "ab"}, runs=2)
    assert ran == ["a", "b", "a", "b", "a", "b"]
    assert all(seconds >= 0 for seconds in medians.values())


def test_t1_is_measured_into_rows_that_keep_the_contract(lake_url):
    small = BenchmarkConfig(grids=(16,), modes=4, width=4, layers=1, batch=1, runs=1, threads=1)
    rows = t1_benchmarks.fn(small, "here")
    Lake(lake_url).publish(Benchmarks, rows, recipe="c" * 64, fields={})
    assert {row["system"] for row in rows.to_pylist()} == {"t1"}
    assert "neuraloperator" in json.loads(rows["versions"][0].as_py())


def test_functions_are_timed_on_a_folders_documents(tmp_path, lake_url):
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text(f"Applicant: firm {i}\nPanel: none\n" * 20)
    rows = evaporate_benchmarks.fn(
        EvaporateBenchmark(folder=str(tmp_path), documents=2, runs=1), "here"
    )
    Lake(lake_url).publish(Benchmarks, rows, recipe="e" * 64, fields={})
    assert rows["size"].to_pylist() == ["100 functions x 2 documents"]


def test_tart_is_measured_with_the_head_and_model_it_is_given(lake_url):
    small = TartBenchmark(shots=4, queries=3, runs=1, examples=3, threads=1)
    with alone():
        head = reasoning_heads(shipped("small"))
        model = language_model(ModelConfig(name="random:llama-tiny", threads=1))
    rows = tart_benchmarks.fn(head, model, small, "here")
    Lake(lake_url).publish(Benchmarks, rows, recipe="d" * 64, fields={})
    assert [row["case"] for row in rows.to_pylist()] == [
        "one call of the head",
        "leave-one-out representations",
    ]
