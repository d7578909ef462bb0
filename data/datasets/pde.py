"""Darcy flow and Burgers' equation from the npz files of the neuralop_pde collection.

Files (MIT, the small data sets of neuraloperator): darcy_train_16, darcy_test_16, darcy_test_32
with x (n, X, Y) permeability and y (n, X, Y) pressure; burgers_train_16, burgers_test_16 with
x (n, X) initial states and y (n, 17, X) the states at 17 times from the initial one on.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from data.synthetic.samples import Part, Samples


class FilesConfig(BaseModel, frozen=True, extra="forbid"):
    """Operator data that are read from files, not made."""

    pde: Literal["darcy", "burgers", "burgers_rollout"] = Field(
        default="darcy",
        description="darcy: permeability -> pressure; burgers: initial -> last state; "
        "burgers_rollout: initial state -> the next 16, each from the one before",
    )
    folder: str = Field(description="folder that holds the npz files")
    validation: int = Field(
        default=100, description="samples at the end of the train file that validate", ge=1
    )

    @property
    def name(self) -> str:
        return self.pde


def file_samples(config: FilesConfig, part: Part) -> Samples:
    """The samples of one part of a split. Rows with NaN or infinity are named in `failed`.

    Raises ValueError naming the file for a missing file or array, and for samples beyond its end.
    """
    path = file_of(config, part)
    arrays = _read(path, ("x", "y"))
    x, y = np.asarray(arrays["x"], np.float64), np.asarray(arrays["y"], np.float64)
    if len(x) != len(y):
        raise ValueError(f"{path}: {len(x)} inputs and {len(y)} outputs; they must pair up")
    if part.split != "test":
        edge = len(x) - config.validation
        x, y = (a[:edge] if part.split == "train" else a[edge:] for a in (x, y))
    rows = slice(part.first, part.first + part.count)
    if part.first + part.count > len(x):
        raise ValueError(
            f"{path}: samples {part.first} to {part.first + part.count - 1} asked for, the "
            f"{part.split} split has {len(x)}"
        )
    u = x[rows, None]
    match config.pde:
        case "darcy":
            out = y[rows, None, None]
        case "burgers":
            out = y[rows, -1:, None]
        case "burgers_rollout":
            out = y[rows, 1:, None]
    finite = [np.isfinite(a).reshape(len(a), -1).all(1) for a in (u, out)]
    sound = finite[0] & finite[1]
    failed = [(part.first + int(i), "holds NaN or infinity") for i in np.flatnonzero(~sound)]
    number = [part.first + int(i) for i in np.flatnonzero(sound)]
    return Samples(number, u[sound], out[sound], solver=path.name, failed=failed)


def file_of(config: FilesConfig, part: Part) -> Path:
    """The file a part is in. Raises ValueError when it is not there."""
    which = "test" if part.split == "test" else "train"
    name = f"{config.pde.split('_')[0]}_{which}_{part.resolution}.npz"
    path = Path(config.folder).expanduser() / name
    if not path.is_file():
        raise ValueError(f"folder {config.folder} has no file {name}: give the folder that does")
    return path


def file_digest(config: FilesConfig, part: Part) -> str:
    """sha256 of the file a part is in: it changes when its content does."""
    return hashlib.sha256(file_of(config, part).read_bytes()).hexdigest()


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not an npz file with arrays x and y ({error})") from error
