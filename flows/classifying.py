"""`headwater classify FILE`: the rest of anybody's rows labelled from a few, with probabilities.

Done in this process, without a server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from data.lake import Lake
from data.lake.catalog import refresh
from data.lake.tables.house import Lineage
from flows import server
from flows.console import told
from flows.errors import CallError
from tasks.settings import lake_url

_SHOWN = 10
_SHOWN_CHARACTERS = 60
_PIPE_WIDTH = 120


class Call(NamedTuple):
    """The command line of `headwater classify`."""

    file: Path
    text: str
    label: str
    shots: int | None
    model: str
    characters: int
    seed: int
    output: Path | None


def classify(call: Call) -> None:
    """Labels a file's rows, prints how many of each and how it did on labelled rows not shown.

    Raises ValueError or CallError, before anything is published, for a file that cannot be used.
    """
    if call.output is not None and call.output.suffix not in (".csv", ".parquet"):
        raise CallError(f"--output {call.output}: write a .csv or a .parquet file")
    if call.shots is not None and call.shots < 2:
        raise CallError("--shots must be at least 2, one for each of two classes")
    if call.characters < 1 or call.seed < 0:
        raise CallError("--characters must be at least 1, --seed at least 0")
    server.configure_client()
    from models.lm.config import ModelConfig
    from models.tart.encoders import MINILM, minilm_folder
    from tasks.lm import language_model
    from tasks.provenance import alone
    from tasks.records import publish_record
    from tasks.runs import lineage_rows, used
    from tasks.tart import reasoning_heads, shipped
    from tasks.tart_few_shot import ReadingConfig
    from tasks.user_labels import ClassifyConfig, text_file, user_labels

    lake = Lake(lake_url())
    lake.check_writable()
    config = ClassifyConfig(
        shots=call.shots, seed=call.seed, reading=ReadingConfig(characters=call.characters)
    )
    file = text_file(call.file, call.text, call.label)
    out = Console(stderr=True)
    with told(out), alone() as run_id:
        head = reasoning_heads(shipped("small"))
        if call.model == MINILM:
            minilm_folder()  # a missing package is told before any work
            model = None
        else:
            model = language_model(ModelConfig(name=call.model))
        made = user_labels(file, file.source, head, model, config)
        publish_record(Lineage, lineage_rows(lake, used(run_id), run_id), run_id)
    refresh(lake)
    rows = made.read()
    if call.output is not None:
        _write(rows, call.output)
        out.print(f"every row written to {call.output}", highlight=False)
    _print(rows.to_pylist())


def _write(rows: object, output: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet as pq

    try:
        if output.suffix == ".csv":
            flat = rows.drop_columns(["probabilities", "classes"])  # type: ignore[attr-defined]
            pyarrow.csv.write_csv(flat, output)
        else:
            pq.write_table(rows, output)
    except OSError as error:
        raise CallError(f"cannot write {output}: {error.strerror}") from error


def _print(rows: list[dict[str, object]]) -> None:
    out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    unlabelled = [row for row in rows if row["given"] is None]
    known = [row for row in rows if row["given"] is not None and not row["shot"]]
    classes = sorted({str(row["label"]) for row in rows})
    counts = Table("label", "rows without a label", "labelled rows, not shown", box=None)
    for name in classes:
        counts.add_row(
            name, *(str(sum(row["label"] == name for row in part)) for part in (unlabelled, known))
        )
    out.print(counts)
    if known:
        right = sum(row["label"] == row["given"] for row in known)
        out.print(
            f"{right} of {len(known)} labelled rows that were not shown are labelled as given "
            f"({right / len(known):.1%})",
            highlight=False,
        )
    listed = Table("row", "label", "probability", "text", box=None)
    for row in (unlabelled or known)[:_SHOWN]:
        text = " ".join(str(row["text"]).split())[:_SHOWN_CHARACTERS]
        listed.add_row(str(row["row"]), str(row["label"]), f"{row['probability']:.2f}", text)
    out.print(listed)
    out.print(
        'query it:  headwater query "SELECT * FROM user_labels"', highlight=False, markup=False
    )
