"""Columns and rows are two readings of the same entries."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.helm.columns import Columns, NotPlainError, instance_stat_columns, stat_columns
from models.helm.rows import (
    INSTANCE_STAT_FIELDS,
    STAT_FIELDS,
    instance_stat_rows,
    stat_rows,
)

PERTURBATION_FIELDS = STAT_FIELDS[3:8]
numbers = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
perturbations = st.sampled_from(
    [
        {"name": "mild_mix", "robustness": True},
        {"name": "dialect", "fairness": True, "computed_on": "worst", "prob": 0.5},
    ]
)
stats = st.fixed_dictionaries(
    {
        "name": st.fixed_dictionaries(
            {"name": st.sampled_from(["exact_match", "f1_score"])},
            optional={"split": st.just("test"), "perturbation": perturbations},
        ),
        "count": st.integers(0, 3),
    },
    optional={"sum": numbers, "sum_squared": numbers, "min": numbers, "max": numbers,
              "mean": numbers},
)  # fmt: skip
entries = st.fixed_dictionaries(
    {"instance_id": st.sampled_from(["id1", "id2"]), "stats": st.lists(stats, max_size=4)},
    optional={"train_trial_index": st.integers(0, 2)},
)


def as_rows(found: Columns, fields):
    described = [
        dict(zip(PERTURBATION_FIELDS, found.perturbations[place], strict=True))
        for place in found.of
    ]
    return [
        tuple(
            described[i][name] if name in described[i] else found.values[name][i] for name in fields
        )
        for i in range(len(found.of))
    ]


@given(st.lists(stats, max_size=8))
def test_stats_are_those_of_the_rows(made):
    assert as_rows(stat_columns(made), STAT_FIELDS) == list(stat_rows(made))


@given(st.lists(entries, max_size=5))
def test_instance_stats_are_those_of_the_rows(made):
    found = instance_stat_columns(made)
    assert as_rows(found, INSTANCE_STAT_FIELDS) == list(instance_stat_rows(made))
    assert found.sizes == [len(entry["stats"]) for entry in made]


PLAIN = {
    "instance_id": "id1",
    "stats": [{"name": {"name": "exact_match", "split": "test"}, "count": 1, "sum": 1.0}],
}


def changed(path, value):
    entry = copy.deepcopy(PLAIN)
    place = entry
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        None,
        {"stats": []},
        changed(["stats"], {}),
        changed(["stats"], "ab"),
        changed(["stats"], [None]),
        changed(["instance_id"], 5),
        changed(["instance_id"], "\ud800"),
        changed(["train_trial_index"], True),
        changed(["stats", 0, "name"], "exact_match"),
        changed(["stats", 0, "name", "name"], 3),
        changed(["stats", 0, "name", "split"], ["test"]),
        changed(["stats", 0, "name", "perturbation"], "mild_mix"),
        changed(["stats", 0, "name", "perturbation"], {"robustness": True}),
        changed(["stats", 0, "count"], None),
        changed(["stats", 0, "count"], 1.0),
        changed(["stats", 0, "count"], -1),
        changed(["stats", 0, "count"], 2**53),
        changed(["stats", 0, "sum"], None),
        changed(["stats", 0, "sum"], True),
        changed(["stats", 0, "sum"], float("nan")),
        changed(["stats", 0, "min"], "0"),
        changed(["stats", 0, "max"], float("inf")),
    ],
    ids=str,
)
def test_what_is_not_plain_is_left_to_the_rows(entry):
    with pytest.raises(NotPlainError):
        instance_stat_columns([PLAIN, entry, PLAIN])
