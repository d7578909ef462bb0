"""HELM's own tables, reproduced from its files; our own evaluation through its files and back."""

import csv
import json
import math
import tarfile

import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from flows.helm import aggregate_folder, evaluate
from models.helm.config import EvaluationConfig, SourceConfig, TablesConfig
from models.lm.config import ModelConfig
from tasks.helm import suite_schema
from tasks.helm_export import export
from tasks.provenance import alone
from tests.tasks.helm_suite import write_suite

DIRECTION = {None: "", True: "True", False: "False"}


def aggregate(folder, **config):
    with alone():
        aggregate_folder(SourceConfig(folder=str(folder)), TablesConfig(**config))


def cells_of(catalog, suite):
    """(group, table, title, row, column, direction) -> value, mean win rates among them."""
    where = f"WHERE suite = '{suite}'"
    rows = catalog.rows(f"SELECT * FROM helm_cells {where}")
    titles = {(r["group"], r["table_name"]): r["table_title"] for r in rows}
    found = {
        (
            r["group"], r["table_name"], r["table_title"], r["row"], r["column"],
            DIRECTION[r["lower_is_better"]],
        ): r["value"]
        for r in rows
        if r["value"] is not None
    }  # fmt: skip
    for r in catalog.rows(f"SELECT * FROM helm_win_rates {where} AND mean_win_rate IS NOT NULL"):
        key = (r["group"], r["table_name"])
        found[*key, titles[key], r["row"], "Mean win rate", "False"] = r["mean_win_rate"]
    return found


def difference_report(expected, found):
    """What is missing, extra or different, a line each."""
    lines = [f"missing: {key}" for key in expected.keys() - found.keys()]
    lines += [f"extra: {key}" for key in found.keys() - expected.keys()]
    lines += [
        f"different: {key}: {found[key]!r} for {expected[key]!r}"
        for key in expected.keys() & found.keys()
        if not math.isclose(expected[key], found[key], rel_tol=0, abs_tol=1e-9)
    ]
    return sorted(lines)


@pytest.fixture
def mini_suite(shared_datasets, tmp_path):
    with tarfile.open(shared_datasets / "helm_runs" / "mini_suite.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "mini_suite"


@pytest.mark.shared
def test_every_cell_of_the_truth_table(mini_suite, shared_datasets, lake_url):
    aggregate(mini_suite, recompute="all")
    catalog = Catalog(Lake(lake_url))
    with (shared_datasets / "helm_runs" / "mini_truth.csv").open(newline="") as file:
        truth = {
            (r["group"], r["table_name"], r["table_title"], r["row"], r["column"],
             r["lower_is_better"]): float(r["value"])
            for r in csv.DictReader(file)
        }  # fmt: skip
    assert len(truth) == 1013
    assert difference_report(truth, cells_of(catalog, "mini_suite")) == []
    check_recomputed(catalog)
    check_layout(catalog, mini_suite, mini_suite.parent / "out")


def check_recomputed(catalog):
    """Stats derived from the instances, calibration included, are those in stats.json."""
    keys = ("run", "metric", "split", "sub_split", "perturbation_json")
    joined = " AND ".join(f"r.{key} IS NOT DISTINCT FROM s.{key}" for key in keys)
    same = " AND ".join(
        f"(abs(r.{n} - s.{n}) <= 1e-9 * greatest(1, abs(s.{n}))"
        f" OR (r.{n} IS NULL AND s.{n} IS NULL))"
        for n in ("count", "sum", "sum_squared", "min", "max", "mean")
    )
    [row] = catalog.rows(
        "SELECT count(*) AS n, count(*) FILTER (WHERE NOT coalesce(equal, false)) AS wrong, "
        "count(*) FILTER (WHERE metric SIMILAR TO '.*ece.*|selective.*') AS calibration FROM ("
        f" SELECT s.metric, {same} AS equal FROM helm_recomputed AS r JOIN helm_stats AS s"
        f" ON {joined})"
    )
    assert (row["n"], row["wrong"], row["calibration"]) == (4742, 0, 342)
    missing = catalog.rows(
        "SELECT DISTINCT split_part(s.metric, ':', 1) AS metric FROM helm_stats AS s "
        f"ANTI JOIN helm_recomputed AS r ON {joined} ORDER BY 1"
    )
    assert [row["metric"] for row in missing] == [
        "bias_metric", "classification_macro_f1", "classification_micro_f1", "num_instances",
    ]  # fmt: skip


def check_layout(catalog, suite, out):
    """The exported tables are HELM's: same tables, headers, rows, values and reasons, in order."""
    export(catalog, "mini_suite", out, suite_schema(str(suite), "mini_suite", ""))
    compared = 0
    for path in sorted((suite / "groups").glob("*.json")):
        theirs, ours = (json.loads((f / "groups" / path.name).read_text()) for f in (suite, out))
        assert [t["name"] for t in ours] == [t["name"] for t in theirs]
        for a, b in zip(theirs, ours, strict=True):
            assert [(h["value"], h.get("lower_is_better")) for h in a["header"]] == [
                (h["value"], h.get("lower_is_better")) for h in b["header"]
            ]
            for their_row, our_row in zip(a["rows"], b["rows"], strict=True):
                for their_cell, our_cell in zip(their_row, our_row, strict=True):
                    compared += 1
                    assert our_cell.get("value") == pytest.approx(their_cell.get("value"), abs=1e-9)
                    if str(their_cell.get("description")).endswith(("runs", "metrics")):
                        assert our_cell["description"] == their_cell["description"]
    assert compared == 4572


def test_own_evaluation_through_helms_files_and_back(tmp_path, lake_url, monkeypatch):
    monkeypatch.setenv("HEADWATER_MODELS", str(tmp_path / "models"))
    config = EvaluationConfig(
        models=(ModelConfig(name="random:llama-tiny", threads=1, truncate="left"),),
        generated=("recall", "dyck_language", "open_ended"),
        instances=2,
    )
    with alone():
        evaluate(config, TablesConfig())
    catalog = Catalog(Lake(lake_url))
    before = cells_of(catalog, config.suite)
    families = {row["family"] for row in catalog.rows("FROM helm_coverage WHERE measured > 0")}
    assert families >= {
        "accuracy", "calibration", "robustness", "fairness", "toxicity", "efficiency",
    }  # fmt: skip
    asked = catalog.rows("SELECT count(*) AS n FROM lm_requests")[0]["n"]
    with alone():
        evaluate(config.model_copy(update={"suite": "again"}), TablesConfig())
    again = Catalog(Lake(lake_url))
    assert again.rows("SELECT count(*) AS n FROM lm_requests")[0]["n"] == asked
    assert difference_report(before, cells_of(again, "again")) == []

    out = tmp_path / "out" / config.suite
    export(catalog, config.suite, out, suite_schema("", config.suite, ""))
    monkeypatch.setenv("HEADWATER_LAKE", str(tmp_path / "other"))
    aggregate(out)
    back = cells_of(Catalog(Lake(str(tmp_path / "other"))), config.suite)
    assert len(before) > 20
    assert difference_report(before, back) == []


def test_runs_without_stats_are_computed_from_their_instances(tmp_path, lake_url):
    aggregate(write_suite(tmp_path / "toys", stats=False))
    found = cells_of(Catalog(Lake(lake_url)), "toys")
    assert {key[3] for key in found} == {"toy/right", "toy/often", "toy/never"}
    first = ("all_scenarios", "accuracy", "Accuracy")
    assert found[*first, "toy/right", "Recall - EM", "False"] == 1.0
    assert found[*first, "toy/right", "Mean win rate", "False"] == 1.0
    assert found[*first, "toy/never", "Mean win rate", "False"] == 0.0


def test_the_worst_case_may_follow_the_direction_of_the_metric(tmp_path, lake_url):
    suite = write_suite(tmp_path / "toys", stats=False)
    aggregate(suite)
    minimum = cells_of(Catalog(Lake(lake_url)), "toys")
    aggregate(suite, worst="direction")
    direction = cells_of(Catalog(Lake(lake_url)), "toys")
    assert minimum == direction  # all metrics with a worst case here are better when higher
