"""The step of T1's data: shards simulated from a law or read from files.

Apart from the steps that fit and test, so that no change of a model simulates anything again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.datasets.pde import FilesConfig
from data.synthetic.airfoil import AirfoilConfig
from data.synthetic.films import SmokeConfig
from data.synthetic.samples import Part
from data.synthetic.vorticity import NavierStokesConfig
from tasks.produces import produces
from tasks.records import quarantine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from data.synthetic.samples import Samples

Source = NavierStokesConfig | AirfoilConfig | SmokeConfig | FilesConfig


@produces("operator_data", version=1)
def operator_data(source: Source, part: Part, digest: str) -> pa.Table:
    """One shard of one split of an operator's data; `digest` is the sha256 of a file it is in.

    Samples that diverge or cannot be read are told in `quarantine` and left out.
    """
    samples = _samples(source, part)
    if samples.failed:
        quarantine(
            f"operator_data {source.name}, {part.split} {part.resolution}",
            [(f"sample {number}", None, reason) for number, reason in samples.failed],
        )
    count = len(samples.number)
    if not count:
        raise ValueError(f"{source.name}: no sample is left; the first {samples.failed[0][1]}")
    constant: dict[str, Any] = {
        "dataset": source.name,
        "pde": source.pde,
        "resolution": part.resolution,
        "split": part.split,
        "shard": part.first,
        "solver": samples.solver,
        "grid": list(samples.u.shape[2:]),
        "frames": samples.y.shape[1],
        "solver_ms": samples.solver_ms,
        **_numbers_of(source),
    }
    columns: dict[str, Any] = {name: [value] * count for name, value in constant.items()}
    columns |= {"sample": list(samples.number)}
    columns |= {"u": _lists(samples.u), "y": _lists(samples.y)}
    return pa.table(columns)


def _samples(source: Source, part: Part) -> Samples:
    from data.datasets.pde import file_samples
    from data.synthetic.problems import simulate

    return file_samples(source, part) if isinstance(source, FilesConfig) else simulate(source, part)


def _numbers_of(source: Source) -> dict[str, float | int | None]:
    """What the columns of a data set's physics hold; null where the source has no such number."""
    numbers: tuple[int, float | None, float | None, float | None]
    match source:
        case NavierStokesConfig():
            numbers = (source.seed, source.viscosity, source.final_time, source.dt)
        case SmokeConfig():
            film = source.interval * source.frames
            numbers = (source.seed, source.viscosity, film, source.dt)
        case AirfoilConfig():
            numbers = (source.seed, None, None, None)
        case FilesConfig():
            numbers = (0, None, None, None)
    return dict(zip(("seed", "viscosity", "final_time", "dt"), numbers, strict=True))


def _lists(fields: NDArray[np.float64]) -> pa.Array:
    """(n, ...) as n lists of numbers in C order."""
    import numpy as np

    flat = np.ascontiguousarray(fields).reshape(len(fields), -1)
    ends = np.arange(len(flat) + 1, dtype=np.int32) * flat.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(flat.ravel()))
