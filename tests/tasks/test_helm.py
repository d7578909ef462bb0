"""The aggregation statements against literal loops."""

import random
from collections import defaultdict
from statistics import mean

import pyarrow as pa
import pytest

from data.lake import Lake
from data.lake.tables import CONTRACTS
from models.helm.config import TablesConfig
from tasks.helm import helm_win_rates, lab_cells


def publish(lake_url, table, rows):
    contract = CONTRACTS[table]
    full = [dict.fromkeys([c.name for c in contract.columns]) | row for row in rows]
    table_rows = pa.Table.from_pylist(full, schema=contract.arrow_schema())
    return Lake(lake_url).publish(contract, table_rows, recipe="1" * 64, fields={})


def cell(row, column, value, *, lower=False, group="g"):
    return {
        "suite": "s",
        "group": group,
        "table_name": "accuracy",
        "table_title": "t",
        "row": row,
        "column": column,
        "lower_is_better": lower,
        "value": value,
        "trials": 1,
        "runs": [],
        "row_position": int(row.strip("mabc") or ord(row[0]) - ord("a")),
        "column_position": int(column.strip("cxy") or ord(column[0]) - ord("x")),
        "run_group": group,
        "metric": "em",
        "strategies": ["win_rate"],
    }


def win_rates_reference(cells):
    """Mean over columns of (rows strictly worse + half the other tied rows) / (rows - 1)."""
    columns = defaultdict(dict)
    for c in cells:
        if c["value"] is not None:
            sign = -1 if c["lower_is_better"] else 1
            columns[c["group"], c["column"]][c["row"]] = sign * c["value"]
    rates = defaultdict(list)
    for (group, _), values in columns.items():
        for row, value in values.items():
            others = [other for name, other in values.items() if name != row]
            if others:
                won = sum(value > o for o in others) + sum(value == o for o in others) / 2
                rates[group, row].append(won / len(others))
    return {key: mean(values) for key, values in rates.items()}


@pytest.mark.parametrize("seed", range(5))
def test_win_rates_equal_the_definition(lake_url, seed):
    chance = random.Random(seed)
    cells = [
        cell(f"m{m}", f"c{c}", chance.choice([None, 0.1, 0.2, 0.3]), lower=c % 2 == 0, group=group)
        for group in ("g", "h")
        for m in range(5)
        for c in range(7)
    ]
    rows = helm_win_rates.fn(publish(lake_url, "helm_cells", cells), TablesConfig()).to_pylist()
    found = {(r["group"], r["row"]): r["mean_win_rate"] for r in rows}
    assert found == pytest.approx(win_rates_reference(cells))
    assert all(r["low"] <= r["mean_win_rate"] <= r["high"] for r in rows)


def test_ties_count_half_and_a_lonely_row_has_no_rate(lake_url):
    cells = [cell("a", "x", 1.0), cell("b", "x", 1.0), cell("c", "y", 1.0), cell("c", "x", None)]
    rows = helm_win_rates.fn(publish(lake_url, "helm_cells", cells), TablesConfig()).to_pylist()
    found = {r["row"]: (r["mean_win_rate"], r["n_columns"]) for r in rows}
    assert found == {"a": (0.5, 1), "b": (0.5, 1), "c": (None, 0)}


def scores(lake_url):
    extraction = [
        {
            "collection": "p", "source": "p", "scope": scope, "strategy": s, "attribute": a,
            "metric": "text_f1", "value": v, "n": 9,
        }
        for scope, s, a, v in [
            ("held-out", "vote", "Name", 1.0),
            ("held-out", "vote", "macro", 1.0),
            ("held-out", "vote", "all", 1.0),
            ("held-out", "first", "Name", 0.5),
            ("read directly", "first", "Name", 0.0),
        ]
    ]  # fmt: skip
    tart = [
        {
            "task": "t", "modality": "synthetic", "base_model": "none", "embedding": "none",
            "method": method, "k": 8, "seed": seed, "accuracy": accuracy, "auc": None,
            "brier": 0.2, "n_test": 9,
        }
        for method, seed, accuracy in [
            ("tart", 0, 0.8),
            ("tart", 1, 0.6),
            ("majority", 0, 0.5),
            ("bayes", 0, 0.9),
        ]
    ]  # fmt: skip
    forecast = [
        {
            "dataset": "d", "target": "y", "model": model, "lag": 5, "horizon": 24, "seed": 0,
            "n_windows": 9, "mse": mse, "mae": mse, "coverage": 0.9, "intended_coverage": 0.9,
            "width": 1.0, "parameters": 0,
        }
        for model, mse in [("spacetime", 0.1), ("ridge", 0.2)]
    ]  # fmt: skip
    return [
        publish(lake_url, "extraction_scores", extraction),
        publish(lake_url, "tart_scores", tart),
        publish(lake_url, "forecast_scores", forecast),
    ]


def test_cells_are_means_over_seeds_on_a_full_grid(lake_url):
    cells = lab_cells.fn(*scores(lake_url)).to_pylist()
    found = {(c["row"], c["column"]): (c["value"], c["trials"]) for c in cells}
    assert found["tart", "t, k = 8: accuracy"] == (pytest.approx(0.7), 2)
    assert found["ridge", "d y, horizon 24: mse"] == (0.2, 1)
    assert ("vote", "macro: text_f1") not in found
    assert ("vote", "all: text_f1") not in found
    assert "bayes" not in {row for row, _ in found}
    lower = {c["column"].rsplit(": ")[-1]: c["lower_is_better"] for c in cells}
    assert lower == {"text_f1": False, "accuracy": False, "brier": True, "mse": True, "mae": True}
    assert {c["table_name"] for c in cells if "brier" in c["column"]} == {"calibration"}


def test_cells_feed_win_rates_under_the_contracts(lake_url):
    cells = lab_cells.fn(*scores(lake_url))
    CONTRACTS["helm_cells"].conform(cells)
    rates = helm_win_rates.fn(publish(lake_url, "helm_cells", cells.to_pylist()), TablesConfig())
    best = {
        r["group"]: r["row"]
        for r in reversed(CONTRACTS["helm_win_rates"].conform(rates).to_pylist())
    }
    assert best == {
        "extraction": "vote",
        "few-shot classification": "tart",
        "forecasting": "spacetime",
    }


def test_before_2024_the_order_of_the_rows_decided_between_equals(lake_url):
    cells = [cell("a", "x", 1.0), cell("b", "x", 1.0), cell("c", "x", 0.0)]
    table = publish(lake_url, "helm_cells", cells)
    found = {
        ties: {r["row"]: r["mean_win_rate"] for r in helm_win_rates.fn(table, config).to_pylist()}
        for ties, config in ((t, TablesConfig(ties=t)) for t in ("half", "legacy"))
    }
    assert found["half"] == {"a": 0.75, "b": 0.75, "c": 0.0}
    assert found["legacy"] == {"a": 0.5, "b": 1.0, "c": 0.0}
