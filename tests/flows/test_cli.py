"""The command as people call it: in a process of its own."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.lake import Lake
from data.lake.tables.helm_results import HelmWinRates
from tests.tasks.helm_suite import write_suite

CHECKOUT = Path(__file__).parents[2]


def headwater(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
        check=False,
        capture_output=True,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        text="parquet" not in arguments,
        timeout=120,
    )


def fails(code, told, *arguments, **environment):
    """The command ends with `code` and exactly one line that holds `told`; nothing is published."""
    done = headwater(*arguments, **environment)
    assert done.returncode == code, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("headwater: ")
    assert told in line
    return done


@pytest.fixture
def lake(lake_url):
    """A lake with one table of 100 rows."""
    rows = [
        {
            "suite": "s", "group": 'g, "quoted"', "table_name": "t", "row": f"m{i}",
            "mean_win_rate": None if i == 3 else i / 100, "low": None, "high": None, "n_columns": i,
            "row_position": i,
        }
        for i in range(100)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=HelmWinRates.arrow_schema())
    lake = Lake(lake_url)
    lake.publish(HelmWinRates, table, recipe="2" * 64, fields={})
    return lake


LIGHT = """
import sys
from flows.cli import main
sys.argv = ["headwater", *{arguments!r}]
try:
    main()
finally:
    heavy = {{"prefect", "torch", "pandas", "pandera", "matplotlib", "sklearn"}}
    print(sorted(heavy & {{*sys.modules}}))
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["query", "select 1"], ["tables"], ["describe", "runs"], ["verify"], ["status"]],
    ids=lambda a: a[0],
)
def test_reading_commands_import_nothing_heavy(lake, arguments):
    script = LIGHT.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, cwd=CHECKOUT
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_importing_the_flows_imports_no_torch():
    script = "import flows.lab, sys; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, cwd=CHECKOUT
    )
    assert done.stdout.strip() == "False False", done.stderr


def test_help_names_every_command():
    shown = headwater("--help").stdout
    for command in ("run", "plan", "tables", "describe", "query", "up", "down", "status", "report",
                    "verify", "gc", "doctor"):  # fmt: skip
        assert f"\n  {command} " in shown


ROWS = 'SELECT "row", "group", mean_win_rate FROM helm_win_rates ORDER BY n_columns'


def test_rows_as_csv_json_and_parquet_are_the_same(lake, tmp_path):
    as_csv = list(csv.reader(io.StringIO(headwater("query", ROWS, "--format", "csv").stdout)))
    as_json = json.loads(headwater("query", ROWS, "--format", "json").stdout)
    out = tmp_path / "rows.parquet"
    headwater("query", ROWS, "--format", "parquet", "--output", str(out))
    as_parquet = pq.read_table(out).to_pylist()
    assert as_json == as_parquet
    assert as_csv[0] == list(as_json[0])
    assert len(as_csv) == 101
    assert as_csv[4] == ["m3", 'g, "quoted"', ""]
    assert as_json[3]["mean_win_rate"] is None


def test_parquet_can_be_piped(lake):
    done = headwater("query", ROWS, "--format", "parquet")
    assert pq.read_table(io.BytesIO(done.stdout)).num_rows == 100


def test_a_long_table_says_that_it_was_cut(lake):
    assert "first 40 rows" in headwater("query", ROWS).stdout


def test_results_larger_than_a_batch_are_streamed(lake_url):
    done = headwater("query", "SELECT i FROM range(200000) t(i)", "--format", "csv")
    assert done.stdout.count("\n") == 200_001
    assert done.stdout.endswith("\n199999\n")


def test_a_closed_pipe_is_no_error(lake_url):
    command = (
        f"{sys.executable} -c 'from flows.cli import main; main()' query 'FROM range(1000000)'"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} --format csv | head -1"],
        check=False, capture_output=True, text=True, cwd=CHECKOUT,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("range\n", "")


def test_tables_and_describe_tell_what_there_is(lake):
    shown = headwater("tables").stdout
    assert "helm_win_rates" in shown
    assert "Every flow run" in shown
    assert "TIMESTAMP WITH TIME ZONE" in headwater("describe", "runs").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "labb"], "no flow 'labb', did you mean lab?"),
        (["plan", "labb"], "no flow 'labb'"),
        (["run", "lab", "--set", "tart.nothing=1"], "no field tart.nothing"),
        (["run", "lab", "--set", "evaporate.corpus.seed=many"], "evaporate.corpus.seed=many"),
        (["query", "SELEC 1"], "syntax error"),
        (["query", "SELECT * FROM nowhere"], "nowhere does not exist"),
        (["query", "DROP VIEW runs"], "only reading is allowed"),
        (["query", "SELECT 1", "--output", "/nowhere/x.csv"], "cannot write /nowhere/x.csv"),
        (["describe", "nowhere"], "no table 'nowhere'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_ends_with_2_and_one_line(lake_url, arguments, told):
    fails(2, told, *arguments)
    assert Lake(lake_url).tables() == []


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(tmp_path):
    (tmp_path / "file").touch()
    fails(2, "is not a folder", "run", HEADWATER_LAKE=str(tmp_path / "file"))
    fails(2, "cannot create the lake at /proc/lake", "run", HEADWATER_LAKE="/proc/lake")


def test_a_wrong_environment_is_told():
    fails(2, "HEADWATER_WORKERS is 'many'", "run", HEADWATER_WORKERS="many")


def test_a_newer_lake_is_told(lake):
    (Path(lake.url) / "headwater.json").write_text('{"format": 9}')
    for command in (["run"], ["plan"], ["tables"], ["query", "SELECT 1"], ["verify"]):
        fails(2, "has format 9, this Headwater reads up to 1", *command)


def test_a_corrupted_file_is_named_by_verify_and_its_table_by_query(lake):
    [part] = Path(lake.url).glob("*/snapshot=*/*.parquet")
    part.write_bytes(part.read_bytes()[:-30])
    done = headwater("verify")
    assert done.returncode == 2
    assert str(part) in done.stdout
    fails(2, "table helm_win_rates: ", "query", ROWS)
    assert headwater("query", "SELECT count(*) FROM runs").returncode == 0


def test_gc_removes_orphans_and_nothing_else(lake):
    orphan = Path(lake.url) / "helm_win_rates" / "snapshot=0-0"
    orphan.mkdir()
    assert "0 orphans" in headwater("gc").stdout
    assert "1 orphans" in headwater("gc", "--hours", "0").stdout
    assert not orphan.exists()
    assert "0 damaged" in headwater("verify").stdout


def test_doctor_finds_this_machine_fit(lake_url):
    done = headwater("doctor")
    assert done.returncode == 0, done.stdout
    assert "BAD" not in done.stdout


def test_a_folder_of_results_is_aggregated(lake_url, tmp_path):
    suite = write_suite(tmp_path / "toys", 3, stats=False)  # then the instances tell all
    done = headwater("aggregate", str(suite), "--bare", "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "12 tables: 0 found, 12 computed" in done.stdout
    assert "toy/right" in done.stdout
    assert (tmp_path / "out" / "toys" / "groups").is_dir()
    assert not Lake(lake_url).commits("helm_comparisons")
    whole = headwater("aggregate", str(suite))
    assert "14 tables: 8 found, 6 computed" in whole.stdout
    assert "tie group" in whole.stdout


def test_aggregating_what_holds_no_results_is_one_line(lake_url, tmp_path):
    fails(2, str(tmp_path), "aggregate", str(tmp_path))
    fails(2, "no-such-folder", "aggregate", str(tmp_path / "no-such-folder"))
