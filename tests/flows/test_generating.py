"""`headwater generate` as people call it, and a job that is killed and goes on."""

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
from flows.errors import CallError
from flows.generating import size

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]
MODEL = "random:llama-tiny@1"


def headwater(*arguments, **environment):
    return subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, cwd=CHECKOUT,
        env={**os.environ, **environment}, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("1GiB", 2**30), ("1.5 gib", 3 * 2**29), ("500MB", 5 * 10**8), ("2kb", 2000), ("7", 7)],
)
def test_sizes_have_units(text, bytes_):
    assert size(text) == bytes_


@pytest.mark.parametrize("text", ["", "GiB", "1 GiBs", "-1GB", "1,5GB", "0GB", "1 parsec"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(CallError, match="give a size with its unit"):
        size(text)


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    texts = ["Once upon a time", "Two", "Three little pigs", "4", "The fifth one", "Six"]
    path.write_text("\n".join(json.dumps({"prompt": text}) for text in texts))
    return path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--prompts", "none.txt"], "there is no such file"),
        (["--prompts", "{p}", "--column", "nope"], "no column 'nope'; columns: prompt"),
        (["--prompts", "{p}", "--model", "smolm2"], "no model 'smolm2', did you mean smollm2"),
        (["--prompts", "{p}", "--memory", "lots"], "give a size with its unit"),
        (["--prompts", "{p}", "--memory", "100kB"], "would need"),
        (["--prompts", "{p}", "--output", "x.txt"], "ends in .jsonl"),
        (["--prompts", "{p}", "--max-tokens", "511"], "room for 1"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_a_wrong_call_is_one_line_and_publishes_nothing(prompts, lake_url, arguments, told):
    given = [argument.format(p=prompts) for argument in arguments]
    if "--model" not in given:
        given += ["--model", MODEL]
    done = headwater("generate", *given)
    assert done.returncode == 2, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("headwater: ")
    assert told in line
    assert "Traceback" not in done.stderr
    assert not Path(lake_url).exists()


def test_a_dry_run_predicts_and_publishes_nothing(prompts, lake_url):
    done = headwater(
        "generate", "--prompts", str(prompts), "--model", MODEL, "--memory", "20MB", "--dry-run"
    )
    assert done.returncode == 0, done.stderr
    for part in ("6 prompts", "predicted (calibrated)", "one more GB of memory"):
        assert part in done.stdout
    assert not Path(lake_url).exists()


@pytest.mark.flow
def test_completions_are_written_in_the_order_of_the_prompts(prompts, prefect_server, tmp_path):
    output = tmp_path / "out.jsonl"
    done = headwater(
        "generate", "--prompts", str(prompts), "--model", MODEL, "--memory", "20MB",
        "--max-tokens", "4", "--output", str(output),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["prompt_id"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(row["completion_tokens"] <= 4 for row in rows)


def run(lake, prompts, log):
    settings = [
        f"prompts.file={prompts}", f"model.name={MODEL}", "generation.requests=1",
        "generation.sampling.max_tokens=4", "memory_bytes=20000000",
    ]  # fmt: skip
    return subprocess.Popen(
        [*COMMAND, "run", "flexgen", *(f"--set={setting}" for setting in settings)],
        cwd=CHECKOUT, env={**os.environ, "HEADWATER_LAKE": str(lake)}, start_new_session=True,
        stdout=log.open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip


def published(lake):
    folder = Path(lake) / "generations" / "_commits"
    names = list(folder.iterdir()) if folder.is_dir() else []
    return [path.name for path in names if not path.name.startswith(".")]


@pytest.mark.flow
def test_a_job_killed_twice_ends_like_one_that_was_not(prompts, prefect_server, tmp_path):
    killed, whole, log = tmp_path / "killed", tmp_path / "whole", tmp_path / "log"
    for blocks in (1, 3):
        process = run(killed, prompts, log)
        while len(published(killed)) < blocks and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = published(killed)
    assert 3 <= len(before) < 6
    for lake in (killed, whole):
        assert run(lake, prompts, log).wait() == 0, log.read_text()
    assert set(before) < set(published(killed))
    assert len(published(killed)) == 6
    rows = [
        Catalog(Lake(str(lake))).rows(
            "SELECT * EXCLUDE seconds FROM generations ORDER BY prompt_id"
        )
        for lake in (killed, whole)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 6
