"""The whole lab through the command line, small: two runs at once, hits, a kill, the schedule."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from flows import server

pytestmark = pytest.mark.flow

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]
# The same code as the quick profile with less of everything.
SMALL = [
    f"--set={setting}"
    for setting in (
        "tart.tasks.problems=32",
        "tart.training.optimisation.steps=30",
        "tart.training.optimisation.warmup=5",
        "tart.shipped_tasks.problems=32",
        "tart.real.shots.shots=[4]",
        "tart.real.shots.queries=8",
        "spacetime.forecast.seeds=[0]",
        "spacetime.forecast.train.epochs=1",
        "spacetime.forecast.train.stride=16",
    )
]
READ_FOR_EVER = """
while true; do
  for sql in 'SELECT count(*) FROM forecasts' 'SELECT * FROM extraction_scores' 'FROM runs'; do
    {python} -c 'from flows.cli import main; main()' query "$sql" --format csv >/dev/null || exit 9
    sleep 0.3  # the labs need the processors too
  done
done
"""


def start(*arguments, **environment):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def headwater(*arguments, **environment):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def lab(tmp_path_factory, prefect_server):
    """A lake after two labs at once, with four readers asking all the while."""
    lake = str(tmp_path_factory.mktemp("lab") / "lake")
    readers = [
        subprocess.Popen(
            ["bash", "-c", READ_FOR_EVER.format(python=sys.executable)],
            cwd=CHECKOUT,
            env={**os.environ, "HEADWATER_LAKE": lake},
            start_new_session=True,
        )
        for _ in range(4)
    ]
    try:
        runs = [start("run", "lab", "--json", *SMALL, HEADWATER_LAKE=lake) for _ in range(2)]
        ended = [(run.communicate(timeout=600), run.returncode) for run in runs]
        reading = [reader.poll() for reader in readers]
    finally:
        for reader in readers:
            os.killpg(reader.pid, signal.SIGKILL)
            reader.wait()
    assert [code for _, code in ended] == [0, 0], ended
    assert reading == [None] * 4, "a reader failed meanwhile"
    return lake, [json.loads(out) for (out, _), _ in ended]


def test_two_labs_at_once_compute_every_table_once(lab):
    lake, summaries = lab
    tables = {entry["table"] for entry in summaries[0]["tables"]}
    assert tables == {entry["table"] for entry in summaries[1]["tables"]}
    published = [commit for table in tables for commit in Lake(lake).commits(table)]
    assert len({commit.recipe for commit in published}) == len(published)
    assert sum(summary["run"]["misses"] for summary in summaries) == len(published)
    assert [summary["run"]["state"] for summary in summaries] == ["Completed"] * 2
    assert [summary["failed_checks"] for summary in summaries] == [[], []]


def test_every_system_is_scored_beside_its_baselines(lab):
    catalog = Catalog(Lake(lab[0]))

    def values(sql):
        return {row[0] for row in catalog.query(sql).fetchall()}

    assert {"ridge", "seasonal_naive", "last_value", "spacetime"} <= values(
        "SELECT model FROM forecast_scores"
    )
    assert {"tart", "logistic regression", "penalised regression", "bayes", "majority"} == values(
        "SELECT method FROM tart_scores WHERE modality = 'synthetic'"
    )
    assert {"tart", "logistic regression", "icl", "calibrated icl", "majority"} <= values(
        "SELECT method FROM tart_scores WHERE task = 'sms_spam_sample'"
    )
    assert len(values("SELECT strategy FROM extraction_scores")) == 3
    [(f1,)] = catalog.query(
        "SELECT max(value) FROM extraction_scores WHERE attribute = 'macro' AND metric = 'text_f1'"
    ).fetchall()
    assert f1 > 0.9
    [(cells,)] = catalog.query("SELECT count(*) FROM helm_win_rates").fetchall()
    assert cells > 0


def test_prefects_share_of_the_time_is_reported(lab):
    run = lab[1][0]["run"]
    assert 0 < run["orchestration_seconds"] < run["seconds"]


def test_the_plan_then_says_hit_for_all(lab):
    code, out, _ = headwater("plan", "lab", *SMALL, HEADWATER_LAKE=lab[0])
    assert code == 0
    assert "MISS" not in out
    assert "all HIT" in out


def test_after_one_change_only_what_depends_on_it_is_a_miss(lab):
    changed = [*SMALL, "--set=tart.training.optimisation.seed=1"]
    _, out, _ = headwater("plan", "lab", *changed, HEADWATER_LAKE=lab[0])
    lines = {line.split()[0]: line for line in out.splitlines() if " HIT " in f"{line} "
             or "MISS" in line}  # fmt: skip
    missed = {table for table, line in lines.items() if "MISS" in line.split()}
    assert missed == {
        "tart_training", "tart_scores", "tart_gaps", "helm_cells", "helm_win_rates"
    }  # fmt: skip
    assert "optimisation.seed: 0 -> 1" in lines["tart_training"]
    assert "reads tart_training, a MISS" in lines["tart_scores"]


def test_a_run_killed_halfway_is_taken_up_where_it_stopped(lab):
    lake = lab[0]
    changed = [
        *SMALL,
        "--set=evaporate.corpus.seed=1",
        "--set=tart.training.optimisation.steps=900",
    ]
    process = start("run", "lab", "--json", *changed, HEADWATER_LAKE=lake)
    until = time.monotonic() + 200
    while len(Lake(lake).commits("extraction_scores")) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    process.kill()
    process.wait()
    before = {t: len(Lake(lake).commits(t)) for t in ("labels", "functions", "extraction_scores")}
    assert set(before.values()) == {2}, "killed too early to show anything"
    assert len(Lake(lake).commits("tart_training")) == 1, "killed too late to show anything"
    assert headwater("verify", HEADWATER_LAKE=lake)[0] == 0

    changed[-1] = "--set=tart.training.optimisation.steps=30"
    code, out, err = headwater("run", "lab", "--json", *changed, HEADWATER_LAKE=lake)
    assert code == 0, err
    run = json.loads(out)["run"]
    assert before == {t: len(Lake(lake).commits(t)) for t in before}, (
        "published, yet computed again"
    )
    assert run["misses"] == 2, "the cells and win rates over the new extraction scores"


def test_steps_on_dask_workers_give_the_same_tables(lab, tmp_path):
    lake = str(tmp_path / "lake")
    code, out, err = headwater(
        "run", "evaporate", "--runner", "dask", "--json", HEADWATER_LAKE=lake
    )
    assert code == 0, err
    assert json.loads(out)["run"]["misses"] == 10
    for table in ("extractions", "extraction_scores", "packages"):
        on_dask, on_threads = (
            place.reference(place.commits(table)[0]).read() for place in (Lake(lake), Lake(lab[0]))
        )
        assert on_dask.equals(on_threads), table


def test_what_cannot_be_read_is_set_aside_and_the_rest_goes_on(prefect_server, tmp_path):
    for name, content in (("empty", b""), ("binary", b"\0\1\2"), ("nameless", b"Version: 1\n")):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_bytes(content)
    place = {"HEADWATER_LAKE": str(tmp_path / "lake"), "PYTHONPATH": str(tmp_path)}
    code, _, err = headwater("run", "evaporate", **place)
    assert code == 0, err
    rows = Catalog(Lake(place["HEADWATER_LAKE"])).rows("SELECT item, reason FROM quarantine")
    assert {row["item"].split("-")[0]: row["reason"] for row in rows} == {
        "empty": "empty file",
        "binary": "not text: it holds NUL bytes",
        "nameless": "no Name header",
    }


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=400k tmpfs {place} && exec {python} -c '
from flows.cli import main; main()' run evaporate
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0,
    reason="this kernel gives no mount namespace to make a full disk in",
)
def test_a_disk_that_fills_up_ends_the_run_with_2_and_one_line(prefect_server, tmp_path):
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c",
         ON_A_SMALL_DISK.format(place=tmp_path, python=sys.executable)],
        check=False, capture_output=True, text=True, cwd=CHECKOUT, timeout=200,
        env={**os.environ, "HEADWATER_LAKE": str(tmp_path / "lake")},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"headwater: cannot write to the lake at {tmp_path}/lake: the disk is")
    assert "Traceback" not in done.stderr


def test_the_report_is_one_file_that_needs_no_network(lab, tmp_path):
    code, _, err = headwater("report", "--output", str(tmp_path / "r.html"), HEADWATER_LAKE=lab[0])
    assert code == 0, err
    page = (tmp_path / "r.html").read_text()
    assert "<svg" in page
    assert 'src="http' not in page


def test_a_scheduled_deployment_runs_to_completed_and_down_leaves_nothing(lab, tmp_path):
    """`headwater up`, a schedule of a few seconds, a completed run, `headwater down`."""
    place = {"HEADWATER_LAKE": lab[0], "HEADWATER_HOME": str(tmp_path / "home")}
    code, out, err = headwater("up", "--port", "4611", **place)
    assert code == 0, err
    services = {
        name: json.loads((tmp_path / "home" / f"{name}.json").read_text())
        for name in ("server", "worker")
    }
    url = services["server"]["url"]
    assert url in out
    try:
        [deployment] = [
            d
            for d in server.ask(url, "deployments/filter", {})
            if d["entrypoint"].endswith(":helm")
        ]
        every = {"interval": 5}
        server.ask(
            url, f"deployments/{deployment['id']}/schedules", [{"active": True, "schedule": every}]
        )
        chosen = {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}}}
        until, completed = time.monotonic() + 150, []
        while not completed and time.monotonic() < until:
            runs = server.ask(
                url, "flow_runs/filter", {**chosen, "sort": "EXPECTED_START_TIME_ASC"}
            )
            completed = [r for r in runs if r["flow_id"] == deployment["flow_id"]
                         and r["state_type"] == "COMPLETED"]  # fmt: skip
            time.sleep(1)
        assert completed, (tmp_path / "home" / "logs" / "worker.log").read_text()
    finally:
        code, out, _ = headwater("down", **place)
    assert (code, out) == (0, "stopped worker and server\n")
    for service in services.values():
        assert not server.group_lives(service["pid"])
    rows = Catalog(Lake(lab[0])).query("SELECT state FROM runs WHERE flow = 'helm'").fetchall()
    assert ("Completed",) in rows
