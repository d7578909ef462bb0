"""Steps of SpaceTime: series, forecasters fitted to them, their forecasts, errors and tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, Field

from data.lake import TableRef
from data.lake.tables import CONTRACTS
from models.spacetime.config import FitConfig, SeriesConfig, SettingConfig
from tasks.produces import produces, scratch
from tasks.progress import progress_bar

if TYPE_CHECKING:
    from models.spacetime.forecasters import Fitted
    from models.spacetime.windows import History

_FORECASTER = ("model", "lag", "horizon", "seed")
_LEVEL = 0.05  # of the tests


class Source(BaseModel, frozen=True, extra="forbid"):
    """What a series is read from, by what is in it; where it lies does not matter."""

    digest: str = Field(description="SHA-256 of the files")
    folder: str = Field(
        default="", exclude=True, description="folder of data sets; empty: inside packages"
    )


@produces("series", version=2)
def series(config: SeriesConfig, source: Source) -> pa.Table:
    """A time series in long form with its splits."""
    from data.datasets.series import read_series, rows_of_published_split
    from models.spacetime.windows import split_of_rows, split_with_ends

    found = read_series(config.dataset, source.folder)
    ends = rows_of_published_split(config.dataset)
    split = split_with_ends(*ends) if ends else split_of_rows(len(found.times), config.split)
    return pa.concat_tables(
        pa.table(
            {
                "dataset": [config.dataset] * len(split),
                "time": found.times,
                "channel": [channel] * len(split),
                "value": values,
                "split": split,
            }
        )
        for channel, values in found.channels.items()
    )


@produces("forecaster_trials", version=1)
def forecaster_trials(series: TableRef, config: FitConfig, origins: int) -> pa.Table:
    """One setting of SpaceTime fitted at rolling origins before the test rows of a series."""
    from models.spacetime.selection import try_setting

    name, history = _history(series)
    trials = try_setting(
        history,
        config,
        origins,
        folder=scratch(),
        progress=progress_bar(
            f"trying lag {config.lag}, {config.network.transform} on {name}, "
            f"rate {config.train.learning_rate}"
        ),
    )
    target = history.only(config.channels).target
    keys = {"dataset": name, "target": target, "horizon": config.horizon, "seed": config.seed}
    return pa.Table.from_pylist(
        [keys | trial.setting.model_dump() | trial._asdict() for trial in trials],
        schema=CONTRACTS["forecaster_trials"].arrow_schema(),
    )


@produces("forecasters", version=2)
def forecasters(series: TableRef, config: FitConfig, trials: Sequence[TableRef] = ()) -> pa.Table:
    """One fit to the train rows of a series: a network, an ARIMA, or all closed forms.

    Look-back, transform and learning rate are the best of the trials, if there are any.
    """
    from models.spacetime.forecasters import fit

    name, history = _history(series)
    config = _as_chosen(config, trials)
    fits = fit(
        [history],
        config,
        folder=scratch(),
        progress=progress_bar(
            f"fitting {config.model} to {name}, horizon {config.horizon}, seed {config.seed}"
        ),
    )
    target = history.only(config.channels).target
    keys = {"dataset": name, "target": target, "fit": config.model}
    return pa.Table.from_pylist(
        [keys | vars(fitted) for fitted in fits], schema=CONTRACTS["forecasters"].arrow_schema()
    )


@produces("forecasts", version=3)
def forecasts(series: Sequence[TableRef], forecasters: Sequence[TableRef], every: int) -> pa.Table:
    """Every forecaster's forecast of every `every`-th test window of its series."""
    from models.spacetime.forecasters import forecast_test_windows

    parts = []
    for name, target, history, fitted in _fitted(series, forecasters):
        columns = forecast_test_windows(history, fitted, every)
        times = {key: _utc(columns[key]) for key in ("origin", "time")}
        parts.append(_labelled(name, target, fitted, columns | times))
    return pa.concat_tables(parts)


@produces("forecast_errors", version=2)
def forecast_errors(series: Sequence[TableRef], forecasters: Sequence[TableRef]) -> pa.Table:
    """Errors of every forecaster in every test window; none is left out."""
    from models.spacetime.forecasters import errors_of_test_windows

    fitted = list(_fitted(series, forecasters))
    bar = progress_bar("forecasting all test windows")
    parts = []
    for done, (name, target, history, one) in enumerate(fitted, start=1):
        columns = errors_of_test_windows(history, one)
        columns |= {"origin": _utc(columns["origin"])}
        parts.append(_labelled(name, target, one, columns))
        bar(done, len(fitted))
    return pa.concat_tables(parts)


@produces("forecast_scores", version=2)
def forecast_scores(forecast_errors: TableRef, forecasters: Sequence[TableRef]) -> pa.Table:
    """Errors of every forecaster over all test windows and steps, and how its intervals held."""
    keys = ["dataset", "task", *_FORECASTER]
    means = ["mse", "mae", "coverage", "width"]
    grouped = forecast_errors.read([*keys, "origin", *means]).group_by(keys, use_threads=False)
    scores = grouped.aggregate([("origin", "count_distinct"), *((m, "mean") for m in means)])
    cost = ["parameters", "train_seconds", "epoch_seconds"]
    costs = {}
    for ref in forecasters:
        for row in ref.read(["dataset", "target", *_FORECASTER, *cost, "config"]).to_pylist():
            intended = FitConfig.model_validate_json(row["config"]).coverage
            key = (row["dataset"], row["target"], *(row[name] for name in _FORECASTER))
            costs[key] = {name: row[name] for name in cost} | {"intended_coverage": intended}
    return pa.Table.from_pylist(
        [
            {name: row[name] for name in ("dataset", *_FORECASTER)}
            | {"target": row["task"], "n_windows": row["origin_count_distinct"]}
            | {name: row[f"{name}_mean"] for name in means}
            | costs[tuple(row[key] for key in keys)]
            for row in scores.to_pylist()
        ],
        schema=CONTRACTS["forecast_scores"].arrow_schema(),
    )


@produces("forecast_tests", version=1)
def forecast_tests(forecast_errors: TableRef) -> pa.Table:
    """Diebold and Mariano's test of SpaceTime against every rival, on the same windows."""
    from models.spacetime.significance import diebold_mariano

    # loss of a window: mean over seeds, and over channels where one forecaster does several
    keys = ["dataset", "task", "lag", "horizon", "model"]
    rows = forecast_errors.read([*keys, "origin", "mse", "mae"]).group_by([*keys, "origin"])
    windows = rows.aggregate([("mse", "mean"), ("mae", "mean")]).sort_by("origin").to_pandas()
    cases: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = defaultdict(dict)
    for key, part in windows.groupby(keys, sort=True):
        cases[key[:4]][key[4]] = {m: part[f"{m}_mean"].to_numpy() for m in ("mse", "mae")}
    found = []
    for (dataset, target, lag, horizon), losses in cases.items():
        for rival in (name for name in losses if name != "spacetime" and "spacetime" in losses):
            for metric in ("mse", "mae"):
                ours, theirs = losses["spacetime"][metric], losses[rival][metric]
                test = diebold_mariano(ours, theirs, horizon)
                sure = test.p_value is not None and test.p_value < _LEVEL
                better = "win" if test.difference < 0 else "loss"
                found.append(
                    {
                        "dataset": dataset, "target": target, "rival": rival, "lag": lag,
                        "horizon": horizon, "metric": metric, "n_windows": len(ours),
                        "spacetime": float(ours.mean()), "rival_loss": float(theirs.mean()),
                        "verdict": better if sure else "level", **vars(test),
                    }
                )  # fmt: skip
    return pa.Table.from_pylist(found, schema=CONTRACTS["forecast_tests"].arrow_schema())


@produces("forecaster_spectra", version=1)
def forecaster_spectra(forecasters: Sequence[TableRef]) -> pa.Table:
    """Eigenvalues of the companion matrices that SpaceTime has learned."""
    from models.spacetime.spectra import eigenvalues

    found = []
    for row in (row for ref in forecasters for row in ref.read().to_pylist()):
        if row["model"] == "spacetime":
            keys = ("dataset", "target", "lag", "horizon", "seed")
            case = {key: row[key] for key in keys}
            found += [case | vars(one) for one in eigenvalues(row["weights"])]
    return pa.Table.from_pylist(found, schema=CONTRACTS["forecaster_spectra"].arrow_schema())


def _fitted(
    series: Sequence[TableRef], forecasters: Sequence[TableRef]
) -> Iterator[tuple[str, str, History, Fitted]]:
    """Every fitted forecaster with the name, the target and the rows of its series."""
    from models.spacetime.forecasters import Fitted

    histories = dict(map(_history, series))
    for row in (row for ref in forecasters for row in ref.read().to_pylist()):
        known = {key: row[key] for key in row if key not in ("dataset", "target", "fit")}
        yield row["dataset"], row["target"], histories[row["dataset"]], Fitted(**known)


def _as_chosen(config: FitConfig, trials: Sequence[TableRef]) -> FitConfig:
    from models.spacetime.selection import Trial, best_setting

    found = [
        Trial(
            SettingConfig(**{name: row[name] for name in SettingConfig.model_fields}),
            *(row[name] for name in Trial._fields[1:]),
        )
        for ref in trials
        for row in ref.read().to_pylist()
    ]
    return config.with_setting(best_setting(found)) if found else config


def _labelled(dataset: str, task: str, fitted: Fitted, columns: dict[str, Any]) -> pa.Table:
    names = {"dataset": dataset, "task": task}
    names |= {name: getattr(fitted, name) for name in _FORECASTER}
    count = len(columns["target"])
    return pa.table(columns | {name: pa.repeat(value, count) for name, value in names.items()})


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
