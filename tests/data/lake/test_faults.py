"""What happens to readers when writers are killed, run at once, or run out of disk."""

import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from data.lake import Lake
from data.lake.catalog import Catalog, refresh
from tests.support import Measurements, measurements, publish

KILLS = 60
ROWS = 366

# A server that forks children with everything imported: a child publishes within milliseconds.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    ["tests.data.lake.test_faults", "pandera.pandas", "pyarrow.parquet"]
)


def publish_for_ever(url, first, begun):
    lake = Lake(url)
    Measurements.conform(measurements())  # what the first use imports is not what is tested
    begun.set()
    for version in itertools.count(first):
        publish(lake, measurements(ROWS, celsius=float(version)), recipe=f"{version:064d}")
        refresh(lake)


def publish_some(url, station, count):
    lake = Lake(url)
    for version in range(count):
        rows = measurements(ROWS, station, float(version))
        publish(lake, rows, recipe=f"{ord(station)}{version:062d}")
        refresh(lake)


def whole_version(query):
    """The one value all rows of the view have; fails when the view is not one whole snapshot."""
    low, high, count = query("SELECT min(celsius), max(celsius), count(*) FROM measurements")
    assert (count, low) in {(0, None), (ROWS, high)}
    return low


def by_catalog(url):
    catalog = Catalog(Lake(url))
    return whole_version(lambda sql: catalog.query(sql).fetchall()[0])


def by_database_file(url):
    with duckdb.connect(f"{url}/headwater.duckdb", read_only=True) as client:
        return whole_version(lambda sql: client.sql(sql).fetchall()[0])


def read_for_ever(url, stop, reads):
    while not stop.is_set():
        by_catalog(url)
        by_database_file(url)
        with reads.get_lock():
            reads.value += 1


def test_a_publisher_killed_at_any_moment_leaves_the_old_or_the_new_snapshot(tmp_path):
    url, chance = str(tmp_path / "lake"), random.Random(0)
    lake = Lake(url)
    publish(lake, measurements(ROWS, celsius=0.0), recipe="0" * 64)
    refresh(lake)
    stop, seen, failures = threading.Event(), [], []

    def read():
        while not stop.is_set():
            try:
                seen.append(by_catalog(url))
                by_database_file(url)
            except BaseException as error:
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    version = 1
    for _ in range(KILLS):
        begun = processes.Event()
        child = processes.Process(target=publish_for_ever, args=(url, version, begun))
        child.start()
        assert begun.wait(60)
        time.sleep(chance.uniform(0, 0.25))
        child.kill()
        child.join()
        latest = by_catalog(url)
        assert latest >= version - 1, "what was published is lost"
        version = int(latest) + 1
    stop.set()
    reader.join()
    assert not failures, failures[0]
    assert seen == sorted(seen), "a reader went back in time"
    assert version > KILLS / 4, "the publisher never got anywhere: the kills came too early"
    assert [damage for _, damage in lake.verify() if damage] == []
    for orphan in lake.orphans(older_than_hours=0):
        lake.storage.remove(orphan)
    assert by_catalog(url) == version - 1
    publish(lake, measurements(ROWS, celsius=float(version)), recipe=f"{version:064d}")
    assert by_catalog(url) == version


def test_readers_never_fail_while_writers_publish_at_once(tmp_path):
    url = str(tmp_path / "lake")
    publish(Lake(url), measurements(ROWS, celsius=0.0), recipe="0" * 64)
    refresh(Lake(url))
    stop, reads = processes.Event(), processes.Value("i", 0)
    readers = [processes.Process(target=read_for_ever, args=(url, stop, reads)) for _ in range(4)]
    writers = [processes.Process(target=publish_some, args=(url, s, 25)) for s in "AB"]
    for process in (*readers, *writers):
        process.start()
    for writer in writers:
        writer.join(120)
    stop.set()
    for reader in readers:
        reader.join(60)
    assert [process.exitcode for process in (*readers, *writers)] == [0] * 6
    assert reads.value > 0
    lake = Lake(url)
    assert len(lake.commits("measurements")) == 51
    with duckdb.connect(f"{url}/headwater.duckdb", read_only=True) as client:
        told = client.sql("SELECT count(*) FROM measurements_all").fetchall()
    assert told == [(51 * ROWS,)], "the last refresh knows every publication"


ON_A_SMALL_DISK = """
set -eu
mount -t tmpfs -o size=256k{option} tmpfs {place}
{python} -c '
import sys
from data.lake import Lake, UnwritableError
from tests.support import measurements, publish
lake = Lake(sys.argv[1])
try:
    lake.check_writable()
    publish(lake)
    for version in range(10_000):
        publish(lake, measurements(366, celsius=version / 7), recipe=f"{{version:064d}}")
except UnwritableError as error:
    print("told:", error)
    assert [d for _, d in lake.verify() if d] == []
    print("whole:", all(lake.reference(c).read().num_rows for c in lake.commits("measurements")))
' {place}/lake
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0,
    reason="this kernel gives no mount namespace to make a full disk in",
)
@pytest.mark.parametrize(
    ("option", "reason"), [("", "the disk is full"), (",ro", "it is read-only")]
)
def test_a_disk_that_takes_no_more_is_told_in_one_line(tmp_path, option, reason):
    script = ON_A_SMALL_DISK.format(option=option, place=tmp_path, python=sys.executable)
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.returncode == 0, done.stderr
    told, whole = done.stdout.splitlines()
    assert told.startswith("told: cannot write to the lake at")
    assert told.endswith(f"{reason}; nothing was published")
    assert whole == "whole: True"


def test_a_file_size_limit_is_told_in_one_line(tmp_path):
    """The same fault where no mount is allowed."""
    script = (
        "import resource, sys\n"
        "from data.lake import Lake, UnwritableError\n"
        "from data.lake.catalog import refresh\n"
        "from tests.support import publish\n"
        "lake = Lake(sys.argv[1])\n"
        "publish(lake)\n"
        "refresh(lake)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    publish(lake)\n"
        "except UnwritableError as error:\n"
        "    print(error, len(lake.commits('measurements')), lake.orphans(0))\n"
        "try:\n"
        "    refresh(lake)\n"
        "except UnwritableError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "lake")],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert "the file-size limit is reached; nothing was published 1 []" in done.stdout, done.stderr
    assert "is reached; headwater.duckdb keeps its earlier views" in done.stdout, done.stderr
    with duckdb.connect(f"{tmp_path}/lake/headwater.duckdb", read_only=True) as client:
        assert client.sql("SELECT count(*) FROM measurements").fetchall() == [(3,)]
