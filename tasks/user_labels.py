"""Step of `headwater classify`: the rest of a user's file labelled from a few of its rows."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import BaseModel, Field

from data.lake import TableRef
from data.lake.tables import CONTRACTS
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.records import quarantine
from tasks.tart import open_head
from tasks.tart_few_shot import ReadingConfig, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


class TextFile(BaseModel, frozen=True, extra="forbid"):
    """Which columns of a file are what; where the file lies does not matter."""

    digest: str = Field(description="SHA-256 of the file")
    path: str = Field(exclude=True, description="the file: .csv, .tsv or .parquet")
    text: str = Field(description="column of the texts")
    label: str = Field(description="column of the labels; empty where one is wanted")

    @property
    def source(self) -> str:
        """What the file's rows are called in the lake."""
        return f"{Path(self.path).name}:{self.label}"


class ClassifyConfig(BaseModel, frozen=True, extra="forbid"):
    """What is shown to the method."""

    shots: int | None = Field(
        default=None, ge=2, description="labelled rows that are shown; null: 32, or all if fewer"
    )
    seed: int = Field(default=0, ge=0, description="random seed of their choice")
    reading: ReadingConfig = Field(default=ReadingConfig(), description="how texts are read")


_DEFAULT_SHOTS = 32


def text_file(path: Path, text: str, label: str) -> TextFile:
    """A file by its content. Raises ValueError when it cannot be read."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    return TextFile(digest=digest, path=str(path), text=text, label=label)


@produces("user_labels", version=1)
def user_labels(
    file: TextFile, source: str, head: TableRef, model: TableRef | None, config: ClassifyConfig
) -> pa.Table:
    """Labels with probabilities for every row of a user's file, from a few labelled ones.

    model: a language model that reads the rows in prompts; without one, the sentence encoder.
    """
    import numpy as np

    from data.datasets.user_rows import read_rows
    from models.tart.features import fit_features
    from models.tart.predict import by_head
    from models.tart.shots import choose_shots

    rows, empty = read_rows(Path(file.path), file.text, file.label)
    if empty:
        quarantine(source, [(f"row {number}", None, reason) for number, reason in empty])
    labelled = [i for i, row in enumerate(rows) if row.label is not None]
    labels = [rows[i].label or "" for i in labelled]
    k = config.shots or min(_DEFAULT_SHOTS, len(labelled))
    chosen = [labelled[i] for i in choose_shots(labels, k, config.seed)]
    classes = sorted(set(labels))
    texts = [row.text for row in rows]
    trained = open_head(head)
    if k > trained.config.points - 1:
        raise ValueError(
            f"{k} shots are asked for, the reasoning head reads {trained.config.points - 1}"
        )
    shown_labels = [rows[i].label or "" for i in chosen]
    y = np.array([classes.index(label) for label in shown_labels])
    shots, queries, cut = _representations(texts, chosen, shown_labels, model, config.reading)
    if any(cut):
        log.warning(
            "%d of %d texts are longer than %d characters: their beginnings are read",
            sum(cut), len(cut), config.reading.characters,
        )  # fmt: skip
    features = fit_features(shots, trained.config.width_in)
    p = by_head(trained, features(shots), y, features(queries), len(classes))
    shown = set(chosen)
    table = [
        {
            "source": source,
            "row": row.number,
            "text": row.text,
            "given": row.label,
            "shot": i in shown,
            "label": classes[int(p[i].argmax())],
            "probability": float(p[i].max()),
            "probabilities": p[i].tolist(),
            "classes": classes,
            "truncated": cut[i],
        }
        for i, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(table, schema=CONTRACTS["user_labels"].arrow_schema())


def _representations(
    texts: Sequence[str],
    chosen: Sequence[int],
    labels: Sequence[str],
    model: TableRef | None,
    reading: ReadingConfig,
) -> tuple[NDArray[np.floating], NDArray[np.floating], list[bool]]:
    """Of the examples (k, N) and of all rows (n, N), and which texts were not read whole."""
    if model is None:
        from models.tart.encoders import SentenceEncoder

        vectors = SentenceEncoder().embed(texts, progress_bar("reading the rows"))
        return vectors[list(chosen)], vectors, [False] * len(texts)
    from models.tart.embedding import embed_in_context
    from models.tart.prompts import Template

    lm, _, threads = opened(model)
    template = Template(lm.codec, sorted(set(labels)), reading.characters)
    found = embed_in_context(
        lm,
        template,
        [(texts[i], label) for i, label in zip(chosen, labels, strict=True)],
        texts,
        threads=threads,
        batch_tokens=reading.batch_tokens,
        progress=progress_bar("reading the rows"),
    )
    return found.leave_one_out, found.queries, [template.truncated(text) for text in texts]
