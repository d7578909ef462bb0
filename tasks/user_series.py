"""Steps of `headwater forecast`: a user's file as series, and what comes after their end."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field

from data.lake import TableRef
from data.lake.tables import CONTRACTS
from models.spacetime.future_config import FutureConfig
from tasks.produces import produces, scratch
from tasks.progress import progress_bar
from tasks.records import quarantine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


class FileConfig(BaseModel, frozen=True, extra="forbid"):
    """Which columns of a file are what; where the file lies does not matter."""

    digest: str = Field(description="SHA-256 of the file")
    path: str = Field(exclude=True, description="the file: .csv, .tsv or .parquet")
    target: str = Field(description="column to forecast")
    time: str | None = Field(default=None, description="column of times; null: found or counted")
    group: str | None = Field(default=None, description="column that parts several series")
    covariates: tuple[str, ...] = Field(
        default=(), description="columns that explain the target and are known in the future"
    )

    @property
    def source(self) -> str:
        """What the file's rows are called in the lake."""
        return f"{Path(self.path).name}:{self.target}"


def file_config(
    path: Path,
    target: str,
    *,
    time: str | None = None,
    group: str | None = None,
    covariates: tuple[str, ...] = (),
) -> FileConfig:
    """A file by its content. Raises ValueError when it cannot be read."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    return FileConfig(
        digest=digest, path=str(path), target=target, time=time, group=group, covariates=covariates
    )


@produces("user_series", version=1)
def user_series(file: FileConfig, source: str, config: FutureConfig) -> pa.Table:
    """The series of a user's file, repaired; groups that cannot be are told in `quarantine`."""
    import numpy as np

    from data.datasets.user_series import read_user_series
    from models.spacetime.future import fewest_rows

    found = read_user_series(
        Path(file.path),
        file.target,
        time=file.time,
        group=file.group,
        covariates=file.covariates,
        rows=fewest_rows(config.horizon),
    )
    for repair in found.repairs:
        log.info("repaired: %s", repair)
    for _, reason in found.set_aside:
        log.warning("set aside: %s", reason)
    if found.set_aside:
        quarantine(source, [(group, None, reason) for group, reason in found.set_aside])
    parts = []
    for one in found.series:
        known = len(one.values)
        times = [one.time(row) for row in range(known + config.horizon)]
        covariates = one.covariates
        if config.calendar:
            covariates = _with_calendar(covariates, times)
        ahead = [None] * config.horizon
        parts.append(
            pa.table(
                {
                    "source": [source] * len(times),
                    "group": [one.group] * len(times),
                    "position": np.arange(len(times)),
                    "time": pa.array([t and t.replace(tzinfo=UTC) for t in times]),
                    "value": [*one.values.tolist(), *ahead],
                    "filled": [*one.filled.tolist(), *([False] * config.horizon)],
                    "covariates": _rows_of(covariates, len(times)),
                    "season": [config.season or one.clock.season] * len(times),
                },
                schema=CONTRACTS["user_series"].arrow_schema(),
            )
        )
    return pa.concat_tables(parts)


@produces("user_forecasts", version=1)
def user_forecasts(user_series: TableRef, config: FutureConfig) -> pa.Table:
    """What comes after a user's series, by every forecaster; the best in validation is chosen."""
    import numpy as np

    from models.spacetime.future import Past, forecast_future

    rows = user_series.read().sort_by([("group", "ascending"), ("position", "ascending")])
    parts = [rows.filter(pc.field("group") == name) for name in pc.unique(rows["group"])]
    pasts = []
    for part in parts:
        known = [row for row in part["covariates"].to_pylist() if row is not None]
        values = part["value"].drop_null().to_numpy()
        pasts.append(Past(values, np.array(known, float).reshape(len(known), -1)))
    found = forecast_future(
        pasts,
        rows["season"][0].as_py(),
        config,
        folder=scratch(),
        progress=progress_bar("fitting SpaceTime"),
    )
    listed = []
    for one in found:
        part = parts[one.series].slice(len(pasts[one.series].values))
        listed.append(
            pa.table(
                {
                    "source": part["source"],
                    "group": part["group"],
                    "model": [one.model] * config.horizon,
                    "chosen": [one.chosen] * config.horizon,
                    "validation_mse": [one.validation_mse] * config.horizon,
                    "step": range(1, config.horizon + 1),
                    "time": part["time"],
                    "yhat": one.yhat,
                    "lower": one.lower,
                    "upper": one.upper,
                },
                schema=CONTRACTS["user_forecasts"].arrow_schema(),
            )
        )
    return pa.concat_tables(listed)


def _rows_of(covariates: NDArray[np.float64], rows: int) -> list[list[float] | None]:
    """A list a row; None past the last row whose covariates are known."""
    known: list[list[float] | None] = [*covariates[:rows].tolist()]
    return known + [None] * (rows - len(known))


def _with_calendar(given: NDArray[np.float64], times: list[datetime | None]) -> NDArray[np.float64]:
    """Covariates and the calendar of the rows, as far ahead as both are known."""
    import numpy as np

    from models.spacetime.future import calendar

    stamps = [time for time in times if time is not None]
    if not stamps:
        raise ValueError("a calendar needs times: name their column with --time")
    columns = calendar(
        np.array([t.hour + t.minute / 60 for t in stamps]),
        np.array([float(t.weekday()) for t in stamps]),
        np.array([float(t.month) for t in stamps]),
    )
    if not given.shape[1]:
        return columns
    rows = min(len(columns), len(given))
    return np.concatenate((given[:rows], columns[:rows]), axis=1)
