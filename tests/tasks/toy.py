"""A flow of two steps that count how often they really run."""

import time
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from data.lake import TableRef
from tasks.pipeline import pipeline
from tasks.produces import produces, results
from tasks.progress import progress_bar
from tests.support import Measurements, measurements


class ToyConfig(BaseModel, frozen=True, extra="forbid"):
    """What the toy does."""

    log: str
    rows: int = 3
    celsius: float = 1.5
    error: str = ""
    errors: int = 0
    seconds: float = 0.0


PROFILES = {"quick": ToyConfig(log="")}


class Rows(BaseModel, frozen=True):
    """What the first step needs to know."""

    log: str
    rows: int
    error: str
    errors: int
    seconds: float


class Warm(BaseModel, frozen=True):
    """What the second step needs to know."""

    log: str
    celsius: float


def ran(log: str, step: str) -> int:
    """Notes that `step` runs; how often it has."""
    with Path(log).open("a") as file:
        file.write(f"{step}\n")
    return Path(log).read_text().split().count(step)


@produces("measurements", version=1, contract=Measurements)
def cold(config: Rows) -> pa.Table:
    """Rows of the first step."""
    count = ran(config.log, "cold")
    if count <= config.errors:
        raise {"io": ConnectionError, "value": ValueError, "lasting": PermissionError}[
            config.error
        ]("as told")
    progress = progress_bar("cold")
    for i in range(4):
        time.sleep(config.seconds / 4)
        progress(i + 1, 4)
    return measurements(config.rows)


@produces("measurements", version=1, contract=Measurements)
def warm(cold: TableRef, config: Warm) -> pa.Table:
    """Rows of the second step."""
    ran(config.log, "warm")
    return measurements(cold.read().num_rows, celsius=config.celsius)


def first(config: ToyConfig) -> Rows:
    return Rows(
        log=config.log,
        rows=config.rows,
        error=config.error,
        errors=config.errors,
        seconds=config.seconds,
    )


@pipeline("toy-inner")
def inner(config: ToyConfig) -> TableRef:
    """The first step, in a flow of its own."""
    return cold(first(config))


@pipeline("toy")
def toy(config: ToyConfig = PROFILES["quick"]) -> TableRef:
    """Two steps, one in a subflow."""
    return warm(inner(config), Warm(log=config.log, celsius=config.celsius))


@pipeline("toy-twice")
def twice(config: ToyConfig = PROFILES["quick"]) -> list[TableRef]:
    """One step, asked for twice at once."""
    return results([cold.submit(first(config)) for _ in range(2)])


@pipeline("toy-batches")
def batches(config: ToyConfig = PROFILES["quick"]) -> list[TableRef]:
    """The first step for every batch of a collection, as many as there are rows."""
    sizes = range(1, config.rows + 1)
    of_batch = first(config).model_copy
    return results(cold.submit_each([(of_batch(update={"rows": n}),) for n in sizes]))
