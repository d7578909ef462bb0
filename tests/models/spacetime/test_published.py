"""Baselines against figures that others can check: ETTh1, target OT, the standard split."""

import csv
import gzip
import hashlib

import numpy as np
import pytest

from models.spacetime.baselines import fit_ridge, lag_mean, last_value, seasonal_naive
from models.spacetime.windows import History

LAG, TRAIN, VALIDATION, TEST = 336, 8640, 11520, 14400
MD5 = "8381763947c85f4be6ac456c508460d6"
# MSE and MAE over all test windows of a ridge map from the lag less its last value, and of the
# naive rules (MSE), measured apart from this code.
RIDGE = {96: (0.053, 0.177), 192: (0.069, 0.204), 720: (0.079, 0.225)}
LAST = {96: 0.069, 192: 0.092, 720: 0.129}
SEASONAL = {96: 0.071, 192: 0.092, 720: 0.125}
LAG_MEAN = {96: 0.075, 192: 0.081, 720: 0.111}


@pytest.fixture(scope="module")
def etth1(shared_datasets):
    content = gzip.decompress((shared_datasets / "ett" / "ETTh1.csv.gz").read_bytes())
    assert hashlib.md5(content).hexdigest() == MD5
    rows = list(csv.DictReader(content.decode().splitlines()))[:TEST]
    times = np.array([row["date"] for row in rows], dtype="datetime64[s]")
    values = np.array([[float(row["OT"])] for row in rows])
    return History(times, ("OT",), values, TRAIN, VALIDATION)


@pytest.mark.shared
@pytest.mark.parametrize("horizon", RIDGE)
def test_baselines_give_the_known_errors_on_etth1(etth1, horizon):
    lags, targets = etth1.windows("test", LAG, horizon)
    assert len(targets) == TEST - VALIDATION - horizon + 1
    train, validation = (etth1.windows(split, LAG, horizon) for split in ("train", "validation"))
    ridge = fit_ridge(train, validation, penalties=(1e-3, 10.0, 1e2, 1e3, 1e4))
    error = ridge.predict(lags) - targets
    assert np.square(error).mean() == pytest.approx(RIDGE[horizon][0], abs=0.001)
    assert np.abs(error).mean() == pytest.approx(RIDGE[horizon][1], abs=0.001)

    def mse(forecast):
        return np.square(forecast - targets).mean()

    assert mse(last_value(lags, horizon)) == pytest.approx(LAST[horizon], abs=0.001)
    assert mse(seasonal_naive(lags, horizon, 24)) == pytest.approx(SEASONAL[horizon], abs=0.001)
    assert mse(lag_mean(lags, horizon)) == pytest.approx(LAG_MEAN[horizon], abs=0.001)
