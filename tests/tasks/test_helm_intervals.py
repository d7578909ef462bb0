"""The interval of a cell against the bootstrap it stands for."""

import numpy as np
import pytest

from data.lake import Lake
from data.lake.catalog import Catalog, refresh
from flows.suites import aggregate_folder
from models.helm.config import SourceConfig, TablesConfig
from tasks.provenance import alone
from tests.tasks.helm_suite import write_suite


def bootstrap_reference(strata, draws=4000):
    """95 % interval of the mean of the strata's means, instances drawn within each."""
    chance = np.random.default_rng(0)
    means = [
        np.mean([chance.choice(values, len(values)).mean() for values in strata])
        for _ in range(draws)
    ]
    return np.quantile(means, [0.025, 0.975])


@pytest.fixture
def catalog(tmp_path, lake_url):
    models = {"toy/often": 0.6, "toy/never": 0.0}
    suite = write_suite(tmp_path / "toy", 30, models, stats=False)
    with alone():
        aggregate_folder(SourceConfig(folder=str(suite)), TablesConfig())
    refresh(Lake(lake_url))
    return Catalog(Lake(lake_url))


def test_a_cells_interval_is_that_of_the_bootstrap(catalog):
    [cell] = catalog.rows(
        "SELECT value, low, high, runs FROM helm_cells WHERE \"group\" = 'recall'"
        " AND metric = 'quasi_exact_match' AND perturbation IS NULL AND \"row\" = 'toy/often'"
    )
    rows = catalog.rows(
        "SELECT sum AS value FROM helm_instance_stats WHERE metric = 'quasi_exact_match'"
        f" AND perturbation IS NULL AND run = '{cell['runs'][0]}'"
    )
    low, high = bootstrap_reference([np.array([row["value"] for row in rows])])
    assert cell["low"] < cell["value"] < cell["high"]
    assert (cell["low"], cell["high"]) == pytest.approx((low, high), abs=0.03)


def test_intervals_stay_within_the_values_and_are_of_means_alone(catalog):
    rows = catalog.rows("SELECT metric, value, low, high FROM helm_cells WHERE value IS NOT NULL")
    accuracy = [row for row in rows if row["metric"] == "quasi_exact_match"]
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in accuracy)
    calibration = [row for row in rows if row["metric"] == "ece_10_bin"]
    assert calibration
    assert all(row["low"] is None and row["high"] is None for row in calibration)
