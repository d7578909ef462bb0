from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from data.lake import Lake, TableRef
from data.lake.tables.house import Quarantine
from tasks.runs import begin, busy_seconds, finished, profile_of, publish_lineage_and_quality
from tasks.showing import key, mermaid


def work(started, seconds):
    return TableRef("lake", "t", "s", 0, "", started=started, seconds=seconds)


@pytest.mark.parametrize(
    ("intervals", "busy"),
    [
        ([], 0),
        ([(0, 2), (3, 1)], 3),
        ([(0, 4), (1, 1)], 4),
        ([(0, 2), (1, 2)], 3),
        ([(1, 2), (0, 2)], 3),
        ([(5, 0)], 0),
    ],
    ids=["none", "apart", "within", "overlapping", "unsorted", "empty"],
)
def test_time_at_work_counts_once(intervals, busy):
    assert busy_seconds([work(*i) for i in intervals]) == pytest.approx(busy)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=10))
def test_time_at_work_is_the_measure_of_the_union(intervals):
    covered = {second for start, length in intervals for second in range(start, start + length)}
    assert busy_seconds([work(*i) for i in intervals]) == pytest.approx(len(covered))


class Config(BaseModel):
    size: int = 1
    inner: dict[str, int] = {"a": 1}


PROFILES = {"quick": Config(), "standard": Config(size=2, inner={"a": 5})}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"size": 1, "inner": {"a": 1}}, "quick"),
        ({"size": 2, "inner": {"a": 5}}, "standard"),
        ({"size": 2, "inner": {"a": 6}}, "standard+"),
        ({"size": 1, "inner": {"a": 2}}, "quick+"),
    ],
)
def test_a_configuration_is_named_by_its_nearest_profile(config, name):
    assert profile_of(config, PROFILES) == name


def test_lineage_reads_as_a_graph():
    rows = [
        {"table_name": "a", "input_table": None},
        {"table_name": "b", "input_table": "a"},
        {"table_name": "b", "input_table": "a"},
    ]
    assert mermaid(rows) == "graph LR\n  a\n  a --> b"


def test_artifact_keys_are_what_prefect_allows():
    assert key("Training the head, D=4") == "training-the-head--d-4"


def test_a_snapshot_is_checked_by_the_run_that_used_it_first(lake_url):
    lake = Lake(lake_url)
    row = {"source": "s", "item": "i", "position": None, "reason": "r", "run_id": "r"}
    rows = pa.Table.from_pylist([row], schema=Quarantine.arrow_schema())
    ref = lake.publish(Quarantine, rows, recipe="0" * 64, fields={})

    def checks(hit):
        begin("")
        finished(replace(ref, hit=hit))
        publish_lineage_and_quality("")
        return len(lake.commits("quality")), len(lake.commits("lineage"))

    assert checks(hit=True) == (1, 1), "a run killed before its checks left it unchecked"
    assert checks(hit=True) == (1, 2)
