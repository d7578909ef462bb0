"""`headwater ingest` and `headwater show`: folders become tables, cells are traced to texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from flows import console
from flows.errors import CallError, meant
from models.evaporate.columns import slug
from tasks.settings import lake_url

_CONTEXT = 240  # characters shown around a value


def ingest(
    folder: Path,
    topic: str,
    profile: str,
    settings: Sequence[str],
    *,
    labels: Path | None,
    truth: Path | None,
    attributes: str,
    model: str,
    as_json: bool,
    asked_at: float,
) -> None:
    """Runs the flow `evaporate` on a folder. Raises CallError or ValueError for a call that cannot
    work, before anything runs."""
    check(folder, topic, labels, truth)
    given: dict[str, Any] = {
        "corpus.folder": str(folder.absolute()),
        "corpus.topic": topic,
        "corpus.attributes": [name.strip() for name in attributes.split(",") if name.strip()],
        "corpus.labels": str(labels.absolute()) if labels else "",
        "corpus.truth": str(truth.absolute()) if truth else "",
        "model": model,
    }
    words = [f"{field}={json.dumps(value)}" for field, value in given.items() if value]
    console.run("evaporate", profile, [*words, *settings], as_json=as_json, asked_at=asked_at)


def check(folder: Path, topic: str, labels: Path | None = None, truth: Path | None = None) -> None:
    """Raises CallError or ValueError, saying what would be right, if this cannot be ingested."""
    from data.datasets.labels import matched, read_labels

    if not folder.is_dir():
        raise CallError(f"{folder} is not a folder: give the folder that holds the documents")
    name = slug(topic)
    if not name or name[0].isdigit():
        raise CallError(f"--topic {topic!r}: a table is named after it, so begin with a letter")
    if name in CONTRACTS:
        raise CallError(
            f"--topic {topic!r}: there is a table {name} of another kind; say it otherwise"
        )
    there = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    if not there:
        raise CallError(f"{folder} is empty: give a folder with text, Markdown, HTML or PDF files")
    for option, file in (("examples", labels), ("truth", truth)):
        if file is not None and not matched(read_labels(file), there):
            raise CallError(f"--{option} {file}: none of its documents is in {folder}")


def show(cell: str) -> None:
    """Prints a cell in its context: DOC:ATTRIBUTE, or SOURCE:DOC:ATTRIBUTE."""
    catalog = Catalog(Lake(lake_url()))
    found = _cell(catalog, cell)
    (document,) = catalog.rows(
        f"SELECT text, kind FROM documents WHERE source = {_sql(found['source'])} "
        f"AND doc_id = {_sql(found['doc_id'])}"
    )
    out = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    out.print(f"{found['source']} / {found['doc_id']} / {found['attribute']}", style="bold")
    if found["value"] is None:
        out.print("no value: no function that votes found one" if not found["functions"] else
                  "no value, say the functions that vote")  # fmt: skip
    else:
        out.print(Text(found["value"]))
        out.print(
            f"posterior {found['posterior']:.3f}, characters {found['start']} to {found['end']}",
            style="dim",
        )
        out.print()
        out.print(in_context(document["text"], found["start"], found["end"]))
    for row in _functions(catalog, found):
        out.print()
        out.print(
            f"{row['function_id']} ({row['origin']}): Text F1 {row['score']:.3f} on the samples, "
            f"answers on {row['coverage']:.0%} of them",
            style="dim",
        )
        out.print(Text(_readable(row)))


def export(source: str, output: Path) -> None:
    """Writes the functions that vote in a source as one Python file."""
    from models.evaporate.config import LabelConfig
    from models.evaporate.export import module_of
    from tasks.evaporate import ensembles_of

    lake = Lake(lake_url())
    commits = Catalog(lake).shown("functions")
    ensembles = ensembles_of([lake.reference(commit) for commit in commits])
    if source not in ensembles:
        there = ", ".join(sorted(ensembles)) or "none yet: see headwater ingest"
        raise CallError(f"no functions of {source!r}{meant(source, ensembles)}; there are {there}")
    text = module_of(source, ensembles[source], LabelConfig().classes)
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise CallError(f"cannot write {output}: {error.strerror}") from error
    print(output)


def in_context(text: str, start: int, end: int) -> Text:
    """The text around a span, the span itself marked, also where there is no colour."""
    begin = max(0, start - _CONTEXT)
    stop = min(len(text), end + _CONTEXT)
    before, after = text[begin:start], text[end:stop]
    return Text.assemble(
        "…" if begin else "",
        before,
        ("»" + text[start:end] + "«", "reverse"),
        after,
        "…" if stop < len(text) else "",
    )


def _cell(catalog: Catalog, cell: str) -> dict[str, Any]:
    *rest, attribute = cell.rsplit(":", 1)
    if not rest or not rest[0]:
        raise CallError(f"{cell}: write a cell as DOC:ATTRIBUTE, as in K123456.txt:applicant")
    where = rest[0]
    rows = catalog.rows(
        "SELECT * FROM extractions WHERE "
        f"doc_id = {_sql(where)} OR source || ':' || doc_id = {_sql(where)} "
        f"OR regexp_replace(doc_id, '^.*/|[.][^.]*$', '', 'g') = {_sql(where)}"
    )
    if not rows:
        raise CallError(f"{where}: no such document among the extractions; see `headwater query`")
    fitting = [row for row in rows if slug(row["attribute"]) == slug(attribute)]
    if not fitting:
        known = sorted({row["attribute"] for row in rows})
        hint = meant(attribute, known) or f"; it has {', '.join(known)}"
        raise CallError(f"{where} has no attribute {attribute!r}{hint}")
    if len(fitting) > 1:
        choice = ", ".join(f"{row['source']}:{row['doc_id']}" for row in fitting)
        raise CallError(f"{cell} is more than one cell: write SOURCE before it, one of {choice}")
    return fitting[0]


def _functions(catalog: Catalog, found: dict[str, Any]) -> list[dict[str, Any]]:
    names = ", ".join(map(_sql, found["functions"])) or "''"
    return catalog.rows(
        f"SELECT * FROM functions WHERE source = {_sql(found['source'])} "
        f"AND attribute = {_sql(found['attribute'])} AND function_id IN ({names}) ORDER BY rank"
    )


def _readable(row: dict[str, Any]) -> str:
    spec = json.loads(row["spec"])
    return str(spec["source"]) if row["kind"] == "code" else json.dumps(spec, ensure_ascii=False)


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
