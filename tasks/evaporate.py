"""Steps of EVAPORATE: sources, texts, chunks, and what functions extract from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from data.datasets.documents import Document as FileDocument
from data.datasets.documents import File, Unreadable, read_documents
from data.datasets.packages import read_packages
from data.lake import TableRef
from data.lake.tables import evaporate as tables
from models.evaporate import voting
from models.evaporate.chunks import chunk_spans
from models.evaporate.code import CodeFunction
from models.evaporate.config import (
    LabelConfig,
    Place,
    SandboxConfig,
    SplitConfig,
)
from models.evaporate.corpus import Document
from models.evaporate.functions import parse_function
from models.evaporate.pages import Page
from models.evaporate.selection import Candidate
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.records import quarantine

_BLOCK = 100  # documents whose pages are in memory at once


@produces("sources", version=1)
def sources(
    collection: str, place: Place, members: list[list[Any]], config: SplitConfig
) -> pa.Table:
    """The sources among these documents, told apart by their templates."""
    from models.evaporate.sources import split, telling_terms

    texts = [document.text for document in _read(place, members, 256)[0]]
    found = split(texts, config)
    assigned = found.assign(texts)
    rows = [
        {
            "collection": collection,
            "source": source_name(collection, number),
            "documents": assigned.count(number),
            "terms": telling_terms(found, number),
            "split": found.model_dump_json(),
        }
        for number in range(len(found.centroids))
    ]
    return pa.Table.from_pylist(rows, schema=tables.Sources.arrow_schema())


@produces("documents", version=2)
def documents(
    batch: int, place: Place, members: list[list[Any]], sources: TableRef, max_mib: int
) -> pa.Table:
    """The texts of one batch, each with its source; files that cannot be read are set aside."""
    from models.evaporate.sources import Split

    found, unreadable = _read(place, members, max_mib)
    told = sources.read(["collection", "split"]).slice(0, 1).to_pylist()[0]
    collection, split = told["collection"], Split.model_validate_json(told["split"])
    quarantine(f"{collection}, batch {batch}", [(bad.item, None, bad.reason) for bad in unreadable])
    rows = [
        {
            "collection": collection,
            "batch": batch,
            "source": source_name(collection, number),
            "doc_id": document.doc_id,
            "kind": document.kind,
            "text": document.text,
            "bytes": document.size,
            "sha256": document.sha256,
        }
        for document, number in zip(found, split.assign([d.text for d in found]), strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=tables.Documents.arrow_schema())


@produces("chunks", version=1)
def chunks(documents: TableRef, size: int) -> pa.Table:
    """Where the documents of one batch are cut for a language model to read."""
    rows = []
    for row in (row for block in _blocks(documents) for row in block):
        page = Page(row["text"])
        for number, span in enumerate(chunk_spans(page.text, size)):
            start, end = page.to_source(*span)
            rows.append(
                {
                    **{name: row[name] for name in ("collection", "batch", "source", "doc_id")},
                    "chunk": number,
                    "start": start,
                    "end": end,
                }
            )
    return pa.Table.from_pylist(rows, schema=tables.Chunks.arrow_schema())


@produces("extractions", version=2)
def extractions(
    documents: TableRef, functions: list[TableRef], labelling: LabelConfig, sandbox: SandboxConfig
) -> pa.Table:
    """The kept functions, run on every document of one batch and put to the vote."""
    ensembles = ensembles_of(functions)
    progress, done = progress_bar("extracting"), 0
    parts = [tables.Extractions.arrow_schema().empty_table()]
    for block in _blocks(documents):
        progress(done, documents.rows)
        done += len(block)
        rows: list[dict[str, Any]] = []
        for source in dict.fromkeys(row["source"] for row in block):
            found = {row["doc_id"]: row for row in block if row["source"] == source}
            texts = [Document(row["doc_id"], row["text"]) for row in found.values()]
            for cell in voting.extract(texts, ensembles.get(source, {}), sandbox=sandbox):
                row = found[cell.doc_id]
                rows.append(
                    {
                        **{name: row[name] for name in ("collection", "batch", "source")},
                        "doc_id": cell.doc_id,
                        "attribute": cell.attribute,
                        "value": cell.answer.value if cell.answer else None,
                        "posterior": cell.posterior,
                        "start": cell.answer.start if cell.answer else None,
                        "end": cell.answer.end if cell.answer else None,
                        "functions": list(cell.functions),
                    }
                )
        parts.append(pa.Table.from_pylist(rows, schema=parts[0].schema))
    progress(documents.rows, documents.rows)
    return pa.concat_tables(parts)


def source_name(collection: str, number: int) -> str:
    """The name of a collection's source: the collection's own, then name_2, name_3 ..."""
    return collection if number == 0 else f"{collection}_{number + 1}"


def ensembles_of(functions: Sequence[TableRef]) -> dict[str, dict[str, voting.Ensemble]]:
    """The functions that vote, by source and attribute, also where there are none.

    Of an attribute's functions the newest set counts: a repaired one replaces the one before.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for ref in sorted(functions, key=_since):
        fresh: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in ref.read().sort_by("rank").to_pylist():
            fresh.setdefault((row["source"], row["attribute"]), []).append(row)
        groups |= fresh
    found: dict[str, dict[str, voting.Ensemble]] = {}
    for (source, attribute), group in groups.items():
        kept = [row for row in group if row["kept"]]
        accuracy = [row["accuracy"] for row in kept]
        found.setdefault(source, {})[attribute] = voting.Ensemble(
            [candidate_of(row["spec"]) for row in kept],
            [row["votes"] for row in kept],
            abstain=all(row["abstain"] for row in group),
            accuracy=() if None in accuracy else accuracy,
        )
    return found


def candidate_of(spec: str) -> Candidate:
    """The function a row of `functions` describes."""
    if spec.startswith('{"kind":"code"'):
        return CodeFunction.model_validate_json(spec)
    return parse_function(spec)


def _since(ref: TableRef) -> int:
    column = ref.read(["since"])["since"]
    return int(column[0].as_py()) if len(column) else 0


def _read(
    place: Place, members: Sequence[Sequence[Any]], max_mib: int
) -> tuple[list[FileDocument], list[Unreadable]]:
    """The documents of these members: of the folder, or of the installed packages without one."""
    if place.path:
        return read_documents(place.path, [File(*member) for member in members], max_mib)
    wanted = {member[0] for member in members}
    found, unreadable = read_packages()
    return [document for document in found if document.doc_id in wanted], unreadable


def _blocks(documents: TableRef) -> Iterator[list[dict[str, Any]]]:
    for part in documents.read().to_batches(max_chunksize=_BLOCK):
        yield part.to_pylist()
