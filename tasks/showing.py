"""What people see of a run in the Prefect UI: its tables, its lineage. Never fails a run."""

from __future__ import annotations

import base64
import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec

from data.lake import Contract, TableRef

log = logging.getLogger(__name__)
_P = ParamSpec("_P")

_ROWS = 20
_CELL = 120


def _forgiving(show: Callable[_P, None]) -> Callable[_P, None]:
    """The table is published whether or not the UI can be told of it."""

    @functools.wraps(show)
    def shown(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            show(*args, **kwargs)
        except Exception as error:
            log.warning("could not show this in the UI: %s", error)

    return shown


@_forgiving
def table(ref: TableRef, contract: type[Contract]) -> None:
    """The first rows of a table as an artifact of the task run that made it."""
    from prefect.artifacts import create_table_artifact

    rows = next(ref.batches([c.name for c in contract.columns if c.kind is not bytes]))
    create_table_artifact(
        key=key(ref.table),
        table=[{k: _cell(v) for k, v in row.items()} for row in rows.slice(0, _ROWS).to_pylist()],
        description=f"{contract.meaning()} First {min(_ROWS, ref.rows)} of {ref.rows:,} rows, "
        f"snapshot {ref.snapshot}.",
    )


@_forgiving
def lineage(rows: Iterable[dict[str, Any]], refs: Iterable[TableRef], flow: str) -> None:
    """The run's tables and what each was made from: a picture, a table, and the graph as text.

    The UI shows mermaid as its source, so the picture is drawn here and travels in the artifact.
    """
    from prefect.artifacts import create_markdown_artifact

    from tasks.report.graph import Box, as_file

    rows, refs = list(rows), list(refs)
    made = {ref.table: "found" if ref.hit else f"{ref.seconds:.1f} s" for ref in refs}
    boxes = {
        ref.table: Box(ref.table, f"{ref.rows:,} rows, {made[ref.table]}", not ref.hit)
        for ref in refs
    }
    edges = [(r["input_table"], r["table_name"]) for r in rows if r["input_table"] in boxes]
    picture = base64.b64encode(as_file(boxes, edges).encode()).decode()
    listing = "\n".join(
        f"| {ref.table} | {ref.rows:,} | {made[ref.table]} | `{ref.snapshot}` |" for ref in refs
    )
    create_markdown_artifact(
        key=key(f"lineage-{flow}"),
        markdown=f"![lineage](data:image/svg+xml;base64,{picture})\n\n"
        f"| table | rows | made in | snapshot |\n|---|---:|---|---|\n{listing}\n\n"
        f"```mermaid\n{mermaid(rows)}\n```\n",
        description=f"What the run of {flow} read and made.",
    )


def mermaid(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of `lineage` as the text of a mermaid graph."""
    edges = (
        f"  {row['input_table']} --> {row['table_name']}"
        if row["input_table"]
        else f"  {row['table_name']}"
        for row in rows
    )
    return "\n".join(["graph LR", *dict.fromkeys(edges)])


def key(name: str) -> str:
    """An artifact key: lower case, digits and dashes only."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")


def _cell(value: Any) -> Any:
    if isinstance(value, int | float | bool) or value is None:
        return value
    text = str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
