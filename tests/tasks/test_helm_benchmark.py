"""The comparison with helm-summarize, as far as it goes without helm-summarize."""

import json

from models.helm.config import BenchmarkConfig
from models.helm.default_schema import DEFAULT
from tasks.helm_benchmark import measure, replicate
from tests.tasks.helm_suite import write_suite

MODELS = {"toy/strong": 1.0, "toy/weak": 0.2}


def test_copies_are_runs_of_models_of_other_names(tmp_path):
    suite = write_suite(tmp_path / "suite", 2, MODELS)
    assert replicate(suite, tmp_path / "copies", 3) == 12
    specs = [json.loads(p.read_text()) for p in (tmp_path / "copies").rglob("run_spec.json")]
    models = {spec["adapter_spec"]["model"] for spec in specs}
    assert models == {f"toy/{name}{i:03d}" for name in ("strong", "weak") for i in range(3)}


def test_without_helm_summarize_the_size_is_told(tmp_path):
    suite = write_suite(tmp_path / "suite", 20, MODELS)
    (suite / "schema.json").write_text(DEFAULT.model_dump_json(exclude_defaults=True))
    config = BenchmarkConfig(suite=str(suite), helm_summarize="no-such-program", copies=2, runs=1)
    work = tmp_path / "work"
    work.mkdir()
    [size] = measure(config, work)
    assert (size.case, size.peer) == ("size", "JSON")
    assert 0 < size.ours_value < size.peer_value
