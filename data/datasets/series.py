"""Named time series, wherever they lie: inside packages or in a folder of data sets."""

from __future__ import annotations

import hashlib
from pathlib import Path

from data.datasets import ett, hourly, monash
from data.datasets.hourly import HourlySeries


def read_series(dataset: str, folder: str) -> HourlySeries:
    """The series of this name. folder: where the files lie that no package brings.

    Raises ValueError for an unknown name and for files that are missing or wrong.
    """
    match _source(dataset, folder):
        case "ett":
            return ett.read_ett(dataset, Path(folder))
        case "monash":
            return monash.read_monash(dataset, Path(folder))
    return hourly.hourly_temperatures(dataset)


def series_digest(dataset: str, folder: str) -> str:
    """sha256 of what a series is read from; it changes when that does. Raises as `read_series`."""
    match _source(dataset, folder):
        case "ett":
            return ett.FILES[dataset]  # reading verifies it
        case "monash":
            path = Path(folder) / "monash_tsf" / monash.FILES[dataset]
            try:
                return hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    return hourly.hourly_temperatures_digest(dataset)


def rows_of_published_split(dataset: str) -> tuple[int, int, int] | None:
    """Ends of the train, validation and test rows where a data set's authors fixed them."""
    if dataset in ett.FILES:
        return ett.TRAIN_END, ett.VALIDATION_END, ett.TEST_END
    return monash.PANEL_ENDS.get(dataset)


def _source(dataset: str, folder: str) -> str:
    source = "ett" if dataset in ett.FILES else "monash" if dataset in monash.FILES else "package"
    if source != "package" and not folder:
        raise ValueError(f"{dataset} lies in no package: say with `folder` where data sets are")
    return source
