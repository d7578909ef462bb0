"""Results of lm-evaluation-harness and inspect logs become rows of HELM's shape."""

import json
import zipfile

import pytest

from models.helm.foreign import read_inspect, read_lm_eval, read_lm_eval_samples
from models.helm.rows import INSTANCE_STAT_FIELDS, PREDICTION_FIELDS, RUN_FIELDS, STAT_FIELDS
from models.helm.streaming import BrokenError

RESULTS = {
    "results": {
        "boolq": {"alias": "boolq", "acc,none": 0.75, "acc_stderr,none": 0.1},
        "gsm8k": {
            "exact_match,strict-match": 0.25,
            "exact_match,flexible-extract": 0.5,
            "exact_match_stderr,strict-match": "N/A",
        },
    },
    "configs": {"boolq": {"num_fewshot": 3, "output_type": "multiple_choice"}},
    "n-shot": {"gsm8k": 5},
    "n-samples": {"boolq": {"original": 40, "effective": 20}},
    "config": {"model": "hf", "model_args": "pretrained=org/model,dtype=float16"},
}
LOG = {
    "version": 2,
    "status": "success",
    "eval": {"task": "arithmetic", "model": "mockllm/model"},
    "results": {
        "scores": [
            {"name": "match", "metrics": {"accuracy": {"value": 0.5}, "stderr": {"value": 0.5}}}
        ]
    },
    "samples": [
        {"id": 1, "epoch": 1, "input": "1+1?", "target": "2", "output": {"completion": "2"},
         "scores": {"match": {"value": "C"}}},
        {"id": 2, "epoch": 2, "target": ["4", "four"],
         "input": [{"role": "user", "content": "2+2?"}],
         "output": {"choices": [{"message": {"content": "5"}}]},
         "scores": {"match": {"value": False}}},
    ],
}  # fmt: skip


def named(fields, found):
    return [(run, dict(zip(fields, row, strict=True))) for run, row in found]


def written(path, value):
    path.write_text(json.dumps(value))
    return path


def test_every_task_of_lm_eval_is_a_run_with_its_stats(tmp_path):
    found = read_lm_eval(written(tmp_path / "results_2026-01-01.json", RESULTS))
    runs = [row for _, row in named(RUN_FIELDS, found.runs)]
    assert [(r["groups"], r["model"], r["max_train_instances"]) for r in runs] == [
        (["boolq"], "org_model", 3),
        (["gsm8k"], "org_model", 5),
    ]
    stats = {row["metric"]: row for _, row in named(STAT_FIELDS, found.stats)}
    assert set(stats) == {"acc", "exact_match:strict-match", "exact_match:flexible-extract"}
    boolq = stats["acc"]
    assert (boolq["count"], boolq["mean"], boolq["sum"]) == (20, 0.75, 15.0)
    variance = boolq["sum_squared"] / 20 - 0.75**2
    assert (variance / 19) ** 0.5 == pytest.approx(0.1)  # the standard error it told


def test_plain_metric_names_of_old_releases_are_read(tmp_path):
    old = {"results": {"piqa": {"acc": 0.5, "acc_stderr": 0.01}}, "config": {"model": "gpt2"}}
    found = read_lm_eval(written(tmp_path / "results.json", old))
    assert [row["metric"] for _, row in named(STAT_FIELDS, found.stats)] == ["acc"]


def test_samples_of_lm_eval_belong_to_the_run_of_their_results(tmp_path):
    results = read_lm_eval(written(tmp_path / "results_2026-01-01.json", RESULTS))
    path = tmp_path / "samples_boolq_2026-01-01.jsonl"
    sample = {
        "doc_id": 7, "target": "yes", "arguments": [["Is it?", " yes"]], "filtered_resps": ["no"],
        "metrics": ["acc"], "acc": 0.0,
    }  # fmt: skip
    path.write_text(json.dumps(sample) + "\n\n" + json.dumps({"target": "no id"}) + "\n")
    found = read_lm_eval_samples(path)
    assert {run for run, _ in found.predictions} <= {run for run, _ in results.runs}
    [(_, stat)] = named(INSTANCE_STAT_FIELDS, found.instance_stats)
    assert (stat["instance_id"], stat["metric"], stat["sum"]) == ("id7", "acc", 0.0)
    [(_, prediction)] = named(PREDICTION_FIELDS, found.predictions)
    assert (prediction["prompt"], prediction["prediction"]) == ("Is it?", "no")
    assert [entry.number for entry in found.unusable] == [2]


@pytest.mark.parametrize("zipped", [False, True], ids=["json", "eval"])
def test_an_inspect_log_is_a_run_whose_epochs_are_trials(tmp_path, zipped):
    if zipped:
        path = tmp_path / "log.eval"
        with zipfile.ZipFile(path, "w") as archive:
            header = {key: value for key, value in LOG.items() if key != "samples"}
            archive.writestr("header.json", json.dumps(header))
            for sample in LOG["samples"]:
                archive.writestr(f"samples/{sample['id']}.json", json.dumps(sample))
    else:
        path = written(tmp_path / "log.json", LOG)
    found = read_inspect(path)
    [(run, row)] = named(RUN_FIELDS, found.runs)
    assert (row["format"], row["groups"], row["model"]) == (
        "inspect", ["arithmetic"], "mockllm/model",
    )  # fmt: skip
    assert [(s["metric"], s["mean"]) for _, s in named(STAT_FIELDS, found.stats)] == [
        ("accuracy", 0.5)
    ]
    scores = [
        (s["instance_id"], s["trial"], s["sum"])
        for _, s in named(INSTANCE_STAT_FIELDS, found.instance_stats)
    ]
    assert scores == [("id1", 0, 1.0), ("id2", 1, 0.0)]
    answers = [p["prediction"] for _, p in named(PREDICTION_FIELDS, found.predictions)]
    assert answers == ["2", "5"]
    assert {name for name, _ in found.predictions} == {run}


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_lm_eval, b'{"results": 3}'),
        (read_lm_eval, b"{"),
        (read_lm_eval_samples, b'{"doc_id": 1'),
        (read_inspect, b"[]"),
        (read_inspect, b'{"eval": 1, "version": 2}'),
        (read_inspect, b"PK\x03\x04 no archive"),
    ],
    ids=["no-results", "cut", "cut-line", "array", "no-eval", "no-archive"],
)
def test_broken_files_are_named_broken(tmp_path, read, content):
    path = tmp_path / "samples_task_date.jsonl"
    path.write_bytes(content)
    with pytest.raises(BrokenError):
        read(path)
