"""Reading result files: everything is in the tables or in quarantine, nothing is read twice."""

import json
import random
import shutil
import time
from pathlib import Path

import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from flows.helm import aggregate_folder
from models.helm.config import SourceConfig, TablesConfig
from tasks import helm_ingest, helm_reading
from tasks.provenance import alone
from tests.tasks.helm_suite import write_suite

COUNTS = ("helm_runs", "helm_stats", "helm_instance_stats", "helm_predictions")


def ingest(folder):
    """Rows by table of everything in the folder, without the aggregation."""
    rows = {name: 0 for name in COUNTS}
    with alone() as run_id:
        for suite, digest in helm_ingest.suites(str(folder)).items():
            files = helm_ingest.helm_files(str(folder), suite, digest)
            for name in COUNTS:
                rows[name] += getattr(helm_ingest, name)(files).rows
    return rows, run_id


def quarantined(lake_url, run_id):
    return Catalog(Lake(lake_url)).rows(
        f"SELECT source, item, position, reason FROM quarantine WHERE run_id = '{run_id}'"
    )


@pytest.fixture
def suite(tmp_path):
    return write_suite(tmp_path / "runs" / "toys")


def test_a_suite_is_read_whole(suite, lake_url):
    rows, run_id = ingest(suite.parent)
    assert rows["helm_runs"] == 6
    assert quarantined(lake_url, run_id) == []
    [row] = Catalog(Lake(lake_url)).rows(
        "SELECT count(DISTINCT run) AS runs, count(*) AS n, bool_and(suite = 'toys') AS named "
        "FROM helm_predictions"
    )
    states = [
        json.loads(p.read_text())["request_states"] for p in suite.glob("*/scenario_state.json")
    ]
    assert (row["runs"], row["n"], row["named"]) == (6, sum(map(len, states)), True)


def test_unchanged_files_are_not_read_again(suite, lake_url, monkeypatch):
    first, _ = ingest(suite)
    read = []
    monkeypatch.setattr(
        helm_ingest,
        "read_job",
        lambda job, target: read.append(job) or helm_reading.read_job(job, target),
    )
    assert ingest(suite)[0] == first
    assert read == []
    changed = next(suite.glob("*/stats.json"))
    changed.write_text(json.dumps(json.loads(changed.read_text())[:-1], indent=1))
    rows, _ = ingest(suite)
    assert rows["helm_stats"] == first["helm_stats"] - 1
    assert rows["helm_instance_stats"] == first["helm_instance_stats"]
    assert [name for job in read for _, _, name in job.files] == [
        f"{changed.parent.name}/stats.json"
    ]
    shutil.rmtree(changed.parent)
    read.clear()
    assert ingest(suite)[0]["helm_runs"] == 5
    assert read == []


def test_large_files_take_the_same_path_to_the_same_rows(suite, lake_url, monkeypatch, tmp_path):
    whole, _ = ingest(suite)
    lake = Lake(lake_url)
    rows = lake.reference(lake.commits("helm_instance_stats")[-1]).read().to_pylist()
    monkeypatch.setenv("HEADWATER_LAKE", str(tmp_path / "other"))
    monkeypatch.setattr(helm_reading, "LARGE", 1)
    monkeypatch.setattr(helm_reading, "BATCH", 7)
    monkeypatch.setattr(helm_reading, "ENTRIES", 3)
    assert ingest(suite)[0] == whole
    other = Lake(str(tmp_path / "other"))
    assert other.reference(other.commits("helm_instance_stats")[-1]).read().to_pylist() == rows


def test_workers_read_the_same_rows(suite, lake_url, monkeypatch, tmp_path):
    here, _ = ingest(suite)
    monkeypatch.setenv("HEADWATER_LAKE", str(tmp_path / "other"))
    monkeypatch.setattr(helm_ingest, "PARALLEL", 0)
    assert ingest(suite)[0] == here


def test_links_in_a_circle_and_runs_without_stats_are_told(suite, lake_url):
    (suite / "again").symlink_to(suite, target_is_directory=True)
    (suite / "self").symlink_to(suite / "self")
    lacking = sorted(p for p in suite.iterdir() if p.is_dir() and not p.is_symlink())[0]
    (lacking / "stats.json").unlink()
    (lacking / "per_instance_stats.json").unlink()
    (lacking / "per_instance_stats.json").symlink_to(lacking / "per_instance_stats.json")
    rows, run_id = ingest(suite)
    assert rows["helm_runs"] == 6
    items = {Path(row["item"]).name for row in quarantined(lake_url, run_id)}
    assert "stats.json" in items


def test_a_folder_without_results_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        helm_ingest.suites(str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no"):
        helm_ingest.suites(str(tmp_path / "empty"))


def mutated(text, chance):
    """One of many ways in which a JSON file goes wrong; bytes."""
    value = json.loads(text)
    entry = value
    while isinstance(entry, list | dict) and entry and chance.random() < 0.75:
        inner = (
            entry[chance.randrange(len(entry))]
            if isinstance(entry, list)
            else chance.choice(list(entry.values()))
        )
        if not isinstance(inner, list | dict) or not inner:
            break
        entry = inner
    odd = chance.choice(
        [
            None,
            "x",
            -1,
            10**40,
            1e308,
            [],
            {},
            [1],
            float("nan"),
            float("inf"),
            True,
            "\ud800",
            "é" * 9,
        ]
    )
    kind = chance.choice(
        ["cut", "key", "value", "twice", "bytes", "encoding", "flip", "deep", "empty"]
    )
    if kind == "cut":
        return text.encode()[: chance.randrange(len(text.encode()))]
    if kind == "key" and isinstance(entry, dict):
        entry.pop(chance.choice(list(entry)))
    elif isinstance(entry, dict):
        entry[chance.choice(list(entry))] = odd
    elif isinstance(entry, list):
        entry[chance.randrange(len(entry))] = odd
    changed = json.dumps(value)
    if kind == "twice":
        return changed.replace('"count": 1', '"count": "a", "count": 1').encode()
    if kind == "bytes":
        at = chance.randrange(len(changed))
        return changed[:at].encode() + b"\xff\xfe" + changed[at:].encode()
    if kind == "encoding":
        return changed.encode(chance.choice(["utf-16", "utf-8-sig", "utf-32"]), "surrogatepass")
    if kind == "flip":
        at = chance.randrange(len(changed))
        return (changed[:at] + chance.choice('{}[]",:x0') + changed[at + 1 :]).encode()
    return {"deep": b"[" * 3000, "empty": b""}.get(kind, changed.encode())


def test_300_mutated_files_are_all_accounted_for(tmp_path, lake_url):
    suite = write_suite(tmp_path / "toys", instances=2)
    clean = tmp_path / "clean"
    shutil.copytree(suite, clean)
    chance = random.Random(0)
    runs = sorted(clean.iterdir())
    names = sorted(path.name for path in runs[0].iterdir())
    shutil.rmtree(suite)
    spoilt = []
    for number in range(300):
        source = chance.choice(runs)
        target = suite / f"{number:03d}-{source.name}"
        shutil.copytree(source, target)
        spoilt.append(target / chance.choice(names))
        spoilt[-1].write_bytes(mutated(spoilt[-1].read_text(), chance))
    began = time.time()
    _, run_id = ingest(suite)
    assert time.time() - began < 60
    catalog = Catalog(Lake(lake_url))
    told = {str(row["item"]).split("[")[0] for row in quarantined(lake_url, run_id)}
    sources = {
        row["source"]
        for name in COUNTS
        for row in catalog.rows(f"SELECT DISTINCT source FROM {name}")
    }
    for path in spoilt:
        name = str(path.relative_to(suite))
        held = path.read_bytes().strip()
        nothing = held in (b"[]",) or (path.name == "scenario_state.json" and not states(held))
        assert name in told or name in sources or nothing, name
    for row in quarantined(lake_url, run_id):
        assert row["reason"]
        assert row["position"] is not None


def states(content):
    try:
        return json.loads(content)["request_states"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return True


def test_an_aggregate_of_spoilt_files_still_comes_to_its_end(suite, lake_url):
    chance = random.Random(1)
    for path in sorted(suite.glob("*/*.json"))[::3]:
        path.write_bytes(mutated(path.read_text(), chance))
    with alone():
        [rates] = aggregate_folder(SourceConfig(folder=str(suite)), TablesConfig())
    assert rates.table == "helm_win_rates"
