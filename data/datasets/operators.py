"""Rows of operator_data as arrays: one data set with its splits and its test grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float32]


@dataclass(frozen=True)
class OperatorSet:
    """All samples of one data set, read from the rows of its shards."""

    name: str
    rows: pa.Table

    @cached_property
    def resolution(self) -> int:
        """Points along the first axis of the grid trained on. Raises ValueError without train."""
        found = set(self._of("train").column("resolution").to_pylist())
        if len(found) != 1:
            raise ValueError(
                f"data set {self.name}: train samples on one grid expected, found {sorted(found)}"
            )
        return int(found.pop())

    @property
    def pde(self) -> str:
        return str(self.rows["pde"][0])

    @property
    def viscosity(self) -> float | None:
        value = self.rows["viscosity"][0].as_py()
        return None if value is None else float(value)

    @property
    def test_grids(self) -> list[int]:
        """Resolutions there are test samples of, the trained one first."""
        found = set(self._of("test").column("resolution").to_pylist())
        return sorted(found, key=lambda n: (n != self.resolution, n))

    def samples(self, split: str, resolution: int | None = None) -> tuple[Array, Array]:
        """Inputs (n, C_in, *grid) and outputs (n, frames, C_out, *grid), by sample number."""
        rows = self._of(split, self.resolution if resolution is None else resolution)
        if not rows.num_rows:
            raise ValueError(f"data set {self.name}: it has no {split} samples")
        grid, frames = rows["grid"][0].as_py(), rows["frames"][0].as_py()
        n = rows.num_rows
        u, y = (
            rows[side].combine_chunks().flatten().to_numpy().astype(np.float32)
            for side in ("u", "y")
        )
        return u.reshape(n, -1, *grid), y.reshape(n, frames, -1, *grid)

    def numbers(self, split: str) -> list[int]:
        """Sample numbers in the order of `samples` on the trained grid."""
        found: list[int] = self._of(split, self.resolution)["sample"].to_pylist()
        return found

    def solver_ms(self, resolution: int) -> float | None:
        """What the solver takes a test sample on a grid, mean over its shards."""
        values = self._of("test", resolution)["solver_ms"].drop_null().to_numpy()
        return float(values.mean()) if len(values) else None

    @property
    def data_seconds(self) -> float:
        """What making the train and validation samples took."""
        parts = (self._of(split, self.resolution) for split in ("train", "validation"))
        return sum(float(part["solver_ms"].drop_null().to_numpy().sum()) for part in parts) / 1e3

    def _of(self, split: str, resolution: int | None = None) -> pa.Table:
        import pyarrow.compute as pc

        chosen = pc.field("split") == split
        if resolution is not None:
            chosen &= pc.field("resolution") == resolution
        return self.rows.filter(chosen).sort_by("sample")


def operator_sets(shards: Sequence[pa.Table]) -> Iterator[OperatorSet]:
    """Every data set in the shards, in the order they first occur."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pa.concat_tables(shards)
    for name in dict.fromkeys(rows["dataset"].to_pylist()):
        yield OperatorSet(name, rows.filter(pc.field("dataset") == name))
