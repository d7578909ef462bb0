"""`headwater classify` as people call it: in a process of its own."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pytest

from data.lake import Lake
from data.lake.catalog import Catalog

CHECKOUT = Path(__file__).parents[2]
TINY = ("--model", "random:gpt2-tiny", "--characters", "20")
COLUMNS = ("--text", "message", "--label", "kind")


def headwater(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
        check=False,
        capture_output=True,
        cwd=CHECKOUT,
        env=dict(os.environ),
        text=True,
        timeout=120,
    )


@pytest.fixture
def messages(tmp_path):
    path = tmp_path / "messages.csv"
    kinds = ("order", "complaint", "")
    with path.open("w", newline="") as file:
        rows = [(f"message {i} of many", kinds[i % 3]) for i in range(12)]
        csv.writer(file).writerows([("message", "kind"), *rows, ("", "order")])
    return path


def test_the_rest_of_a_file_is_labelled_and_written(messages, lake_url, tmp_path):
    output = tmp_path / "labelled.csv"
    done = headwater(
        "classify", str(messages), *COLUMNS, "--shots", "4", *TINY, "--output", str(output)
    )
    assert done.returncode == 0, done.stderr
    assert "4 labelled rows that were not shown" in done.stdout
    written = pyarrow.csv.read_csv(output).to_pylist()
    assert len(written) == 12
    assert {row["label"] for row in written} <= {"order", "complaint"}
    assert all(0.5 <= row["probability"] <= 1 for row in written)
    catalog = Catalog(Lake(lake_url))
    [row] = catalog.rows("SELECT item, reason FROM quarantine")
    assert (row["item"], row["reason"]) == ("row 12", "empty text")
    assert len(catalog.rows("SELECT * FROM user_labels WHERE given IS NULL")) == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--text", "mesage", "--label", "kind"), "no column 'mesage', did you mean 'message'?"),
        ((*COLUMNS, "--shots", "1"), "--shots must be at least 2"),
        ((*COLUMNS, "--shots", "9"), "9 shots are asked for, 8 labelled"),
        ((*COLUMNS, "--output", "x.json"), "write a .csv or a .parquet file"),
    ],
    ids=["column", "one shot", "too many shots", "output"],
)
def test_a_call_that_cannot_be_answered_ends_with_one_line(messages, arguments, told):
    done = headwater("classify", str(messages), *arguments, *TINY)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
