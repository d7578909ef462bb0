"""Steps of SpaceTime: a series, forecasters fitted to it, their forecasts, and the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from data.lake import TableRef
from models.spacetime.config import ForecastConfig, SeriesConfig
from tasks.produces import produces
from tasks.progress import progress_bar

if TYPE_CHECKING:
    from models.spacetime.windows import History

_FORECASTER = ("model", "lag", "horizon", "seed")


@produces("series", version=1)
def series(config: SeriesConfig, source: str) -> pa.Table:
    """A time series in long form with its splits; `source` is the sha256 of the files it is in."""
    from data.datasets.hourly import hourly_temperatures
    from models.spacetime.windows import split_of_rows

    hourly = hourly_temperatures(config.dataset)
    split = split_of_rows(len(hourly.times), config.split)
    return pa.concat_tables(
        pa.table(
            {
                "dataset": [config.dataset] * len(split),
                "time": hourly.times,
                "channel": [channel] * len(split),
                "value": values,
                "split": split,
            }
        )
        for channel, values in hourly.channels.items()
    )


@produces("forecasters", version=1)
def forecasters(series: TableRef, config: ForecastConfig) -> pa.Table:
    """SpaceTime, one a seed, and its baselines, fitted to the train rows of a series."""
    from models.spacetime.forecasters import fit_forecasters

    dataset, history = _history(series)
    target = history.channels[0] if len(history.channels) == 1 else "all"
    fits = fit_forecasters(history, config, progress_bar("fitting the forecasters"))
    rows = [{"dataset": dataset, "target": target} | vars(fitted) for fitted in fits]
    return pa.Table.from_pylist(rows)


@produces("forecasts", version=1)
def forecasts(series: TableRef, forecasters: TableRef) -> pa.Table:
    """Every forecaster's forecast of every test window of the series."""
    from models.spacetime.forecasters import Fitted, forecast_test_windows

    dataset, history = _history(series)
    parts = []
    for row in forecasters.read().drop_columns(["dataset", "target"]).to_pylist():
        columns = forecast_test_windows(history, Fitted(**row))
        names = {"dataset": dataset} | {name: row[name] for name in _FORECASTER}
        constant = {name: pa.repeat(value, len(columns["y"])) for name, value in names.items()}
        times = {name: _utc(columns[name]) for name in ("origin", "time")}
        parts.append(pa.table(columns | constant | times))
    return pa.concat_tables(parts)


@produces("forecast_scores", version=1)
def forecast_scores(forecasts: TableRef, forecasters: TableRef) -> pa.Table:
    """Mean squared and absolute error of every forecaster, over all test windows and steps."""
    from models.spacetime.scores import window_errors

    frame = forecasts.read().to_pandas()
    keys = ["dataset", "target", *_FORECASTER]
    cost = ["parameters", "train_seconds", "epoch_seconds"]
    costs = {
        tuple(row[name] for name in _FORECASTER): {name: row[name] for name in cost}
        for row in forecasters.read([*_FORECASTER, *cost]).to_pylist()
    }
    rows = []
    for key, rows_of_one in frame.groupby(keys, sort=False):
        errors = window_errors(
            *(rows_of_one[name].to_numpy() for name in ("origin", "y", "yhat", "scale"))
        )
        rows.append(dict(zip(keys, key, strict=True)) | vars(errors) | costs[key[2:]])
    return pa.Table.from_pylist(rows)


def _history(series: TableRef) -> tuple[str, History]:
    """Name and values of the one series in the table."""
    import numpy as np

    from models.spacetime.windows import History

    rows = series.read()
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    history = History.from_rows(*(columns[name] for name in ("time", "channel", "value", "split")))
    return str(np.unique(columns["dataset"].astype(str)).item()), history


def _utc(times: object) -> pa.Array:
    """Naive UTC times of numpy as timestamps of the lake."""
    return pa.array(times).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
