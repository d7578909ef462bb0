"""Labelled series inside the PyPI package sktime (BSD-3), in the .ts form of the UCR/UEA archive.

JapaneseVowels (Kudo, Toyama and Shimbo, 1999): nine speakers utter /ae/, twelve cepstral
coefficients over 7 to 29 frames. ItalyPowerDemand, GunPoint, ArrowHead, OSULeaf and BasicMotions
likewise. The files are read as plain files; the package itself is never imported.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

LABELLED = (
    "JapaneseVowels",
    "BasicMotions",
    "ItalyPowerDemand",
    "GunPoint",
    "ArrowHead",
    "OSULeaf",
)


@dataclass(frozen=True)
class LabelledSeries:
    """One split: values of every series by channel and step, and its label."""

    series: list[list[list[float]]]
    labels: list[str]


def read_labelled(dataset: str) -> tuple[LabelledSeries, LabelledSeries]:
    """The published train and test splits. Raises as `labelled_digest`, and as `parse_ts`."""
    train, test = (
        parse_ts(content.decode(), f"{dataset}_{split}.ts")
        for content, split in zip(_contents(dataset), ("TRAIN", "TEST"), strict=True)
    )
    return train, test


def labelled_digest(dataset: str) -> str:
    """SHA-256 of the two files.

    Raises ValueError for an unknown name, and when sktime is not installed.
    """
    return hashlib.sha256(b"".join(_contents(dataset))).hexdigest()


def parse_ts(text: str, source: str) -> LabelledSeries:
    """Every series of a .ts text; channels may be of unequal length from series to series.

    Raises ValueError naming `source` and the line for values that are not finite numbers, for
    channels of one series that differ in length, for another number of channels than before, and
    for a file without labels or data.
    """
    series: list[list[list[float]]] = []
    labels: list[str] = []
    data = labelled = False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if data:
            *channels, label = line.strip().split(":")
            series.append(_channels(channels, f"{source}, line {number}"))
            labels.append(label.strip())
            if len(channels) != len(series[0]):
                raise ValueError(
                    f"{source}, line {number}: {len(channels)} channels, {len(series[0])} before"
                )
        elif words[0].lower() == "@classlabel":
            labelled = words[1].lower() == "true"
        data = data or words[0].lower() == "@data"
    if not labelled or not series:
        raise ValueError(f"{source}: no labelled series after @data; a .ts file is expected")
    return LabelledSeries(series, labels)


def _channels(texts: list[str], where: str) -> list[list[float]]:
    try:
        found = [[float(value) for value in text.split(",")] for text in texts]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if len({len(channel) for channel in found}) != 1:
        raise ValueError(f"{where}: channels must be of one length within a series")
    if not all(math.isfinite(value) for channel in found for value in channel):
        raise ValueError(f"{where}: a value is missing or not finite")
    return found


def _contents(dataset: str) -> list[bytes]:
    if dataset not in LABELLED:
        raise ValueError(f"unknown data set {dataset!r}: choose one of {', '.join(LABELLED)}")
    try:
        package = distribution("sktime")
    except PackageNotFoundError as error:
        raise ValueError(
            f"{dataset} lies in the package sktime: install it (pip install --no-deps sktime)"
        ) from error
    folder = Path(str(package.locate_file(f"sktime/datasets/data/{dataset}")))
    return [(folder / f"{dataset}_{split}.ts").read_bytes() for split in ("TRAIN", "TEST")]
