"""The leaderboard of evaluated models."""

import re

import pyarrow as pa

from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from tasks.report.leaderboard import coverage, leaderboard


def publish(lake, table, rows):
    contract = CONTRACTS[table]
    full = [dict.fromkeys(c.name for c in contract.columns) | row for row in rows]
    found = pa.Table.from_pylist(full, schema=contract.arrow_schema())
    lake.publish(contract, found, recipe=f"{len(table)}" * 64, fields={})


def rates(family, values, *, interval=True):
    return [
        {
            "suite": "s", "group": "all", "table_name": family, "row": f"a-model-of-name-{i}",
            "mean_win_rate": value, "low": value / 2 if interval else None,
            "high": (1 + value) / 2 if interval else None, "n_columns": 4, "row_position": i,
        }
        for i, value in enumerate(values)
    ]  # fmt: skip


def text_of(lake):
    return "".join(map(str, leaderboard(Catalog(lake)).parts))


def test_a_board_can_be_sorted_by_every_family_and_names_do_not_overlap(lake_url):
    lake = Lake(lake_url)
    # Two models level in toxicity, at either end of accuracy: their names would meet half-way.
    publish(
        lake, "helm_win_rates", rates("accuracy", [1.0, 0.0, 0.5]) + rates("toxicity", [0.5] * 3)
    )
    text = text_of(lake)
    assert len(re.findall(r'<input class="s\d"', text)) == 3
    heights = re.findall(r'y="([\d.]+)" text-anchor="(?:start|end)">a-model', text)
    assert len(heights) == len(set(heights)) == 3
    assert "0.25 to 0.75" in text


def test_rates_without_intervals_and_tie_groups_are_shown(lake_url):
    lake = Lake(lake_url)
    publish(lake, "helm_win_rates", rates("accuracy", [0.75, 0.25], interval=False))
    text = text_of(lake)
    assert "0.750" in text
    assert "None" not in text


def test_coverage_counts_what_was_measured(lake_url):
    lake = Lake(lake_url)
    row = {"suite": "s", "family": "accuracy", "model": "m", "cells": 8, "measured": 7}
    publish(lake, "helm_coverage", [row | {"share": 7 / 8}])
    assert "7 of 8 cells measured (87.5 %)" in "".join(map(str, coverage(Catalog(lake)).parts))
