"""Steps of the sequence models as functions, and the whole flow."""

import gzip

import pytest

from data.datasets.text import installed_prose, read_shakespeare
from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from data.synthetic.sequences.problems import TaskConfig
from models.sequence.config import BackboneConfig, ConvBenchmark, TrainConfig
from tasks.sequence import (
    FitConfig,
    TextConfig,
    conv_benchmarks,
    named,
    sequence_models,
    sequence_scores,
    text_in,
    text_models,
)

TASK = TaskConfig(name="recall", length=6, train=64, test=20)
TRAIN = TrainConfig(epochs=1, checks=2)
BENCHMARK = ConvBenchmark(
    cases=("overhead", "core", "layer", "state_passing", "memory", "generation", "online"),
    width=4, lengths=(8, 16), core_lengths=(16,), layer_lengths=(16,), layer_width=8, ssm_length=64,
    memory_length=4096, prompt=8, tokens=(2, 1, 2), generation_batch=2, generation_layers=2,
    online_length=8, runs=1, threads=1,
)  # fmt: skip


def publish(lake, table, rows, recipe):
    return lake.publish(CONTRACTS[table], rows, recipe=recipe * 8, fields={})


def fit(*pattern: str) -> FitConfig:
    return FitConfig(model=BackboneConfig(pattern=pattern, width=8, mlp=8), train=TRAIN)


@pytest.fixture
def plays(tmp_path):
    folder = tmp_path / "data" / "tinyshakespeare"
    folder.mkdir(parents=True)
    text = "".join(f"Act {i}: enter {'ABC'[i % 3]}, and speak of {i * i}.\n" for i in range(150))
    (folder / "input.txt.gz").write_bytes(gzip.compress(text.encode()))
    return folder.parent


def test_from_tasks_and_texts_to_scores(lake_url, plays):
    lake = Lake(lake_url)
    text = text_in(str(plays), TextConfig(vocabulary=280, length=16))
    made = [
        sequence_models.fn(TASK, fit("h3", "attention"), (10,)),
        sequence_models.fn(TaskConfig(name="digits"), fit("long_conv"), ()),
        text_models.fn(text, fit("hyena")),
    ]
    refs = [publish(lake, "sequence_models", rows, f"model{i:03}") for i, rows in enumerate(made)]
    scores = sequence_scores.fn(refs)
    publish(lake, "sequence_scores", scores, "score000")
    told = {(r["task"], r["test_length"]): r for r in scores.to_pylist()}
    assert set(told) == {("recall", 6), ("recall", 10), ("digits", 20), ("tinyshakespeare", 16)}
    assert told["recall", 6]["model"] == "h3, attention"
    assert told["recall", 6]["chance"] == 0.25
    assert told["tinyshakespeare", 16]["metric"] == "perplexity"
    assert told["tinyshakespeare", 16]["value"] < 280


def test_every_comparison_is_a_row(lake_url):
    rows = conv_benchmarks.fn(BENCHMARK, "here")
    publish(Lake(lake_url), "conv_benchmarks", rows, "conv0000")
    ops = {row["op"] for row in rows.to_pylist()}
    assert len(ops) == 11
    [memory] = [row for row in rows.to_pylist() if row["unit"] == "bytes"]
    assert memory["seconds"] is None


def test_patterns_have_short_names():
    assert named(("h3", "h3", "attention", "h3")) == "h3 x2, attention, h3"


def test_texts_are_told_when_missing(tmp_path):
    with pytest.raises(ValueError, match=r"input\.txt\.gz"):
        read_shakespeare(tmp_path)
    with pytest.raises(ValueError, match="no prose"):
        installed_prose(tmp_path)


def test_prose_of_packages_is_taken_once(tmp_path):
    prose = "This package reads words and writes them again. " * 20
    for name in ("one", "two"):
        folder = tmp_path / f"{name}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1\n\n{prose}")
    (tmp_path / "names.txt").write_text("a_1 b_2 c_3 " * 100)
    (tmp_path / "short.md").write_text("Short.")
    assert installed_prose(tmp_path) == prose


@pytest.mark.flow
def test_the_flow(prefect_server, lake_url):
    from flows.sequence import SequenceConfig, SweepConfig, sequence

    config = SequenceConfig(
        sweeps=(SweepConfig(task=TASK, fits=(fit("h3"), fit("s4d")), seeds=(0, 1)),),
        benchmark=BENCHMARK.model_copy(update={"cases": ("overhead",)}),
    )
    ref = sequence(config)
    assert ref.rows == 4
    assert sequence(config).snapshot == ref.snapshot
    rows = Catalog(Lake(lake_url)).rows("SELECT DISTINCT model FROM sequence_scores ORDER BY ALL")
    assert [row["model"] for row in rows] == ["h3", "s4d"]
