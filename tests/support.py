"""A small table that tests publish where any table would do."""

import pyarrow as pa

from data.lake import Contract, Lake, TableRef, column

RECIPE = "a" * 64


class Measurements(Contract, table="measurements", unique=("station", "day")):
    """Temperatures by station and day."""

    station: str = column("name of the station")
    day: int = column("day of the year", unit="d", ge=1, le=366)
    celsius: float | None = column("mean temperature", unit="°C", ge=-90)


def measurements(n: int = 3, station: str = "A", celsius: float = 1.5) -> pa.Table:
    days = list(range(1, n + 1))
    return pa.table({"station": [station] * n, "day": days, "celsius": [celsius] * n})


def publish(
    lake: Lake, rows: pa.Table | None = None, *, recipe: str = RECIPE, run_id: str = "", inputs=()
) -> TableRef:
    rows = measurements() if rows is None else rows
    fields = {"recipe": recipe}
    return lake.publish(
        Measurements, rows, recipe=recipe, fields=fields, run_id=run_id, inputs=inputs
    )
