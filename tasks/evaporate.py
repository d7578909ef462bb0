"""Steps of EVAPORATE: sources, texts, chunks, labels, functions and what they extract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from data.datasets.documents import Document as FileDocument
from data.datasets.documents import File, Unreadable, read_documents
from data.datasets.labels import matched, read_labels
from data.datasets.packages import ATTRIBUTES, package_truth, read_packages
from data.lake import TableRef
from data.lake.tables import evaporate as tables
from models.evaporate import voting
from models.evaporate.chunks import chunk_spans
from models.evaporate.code import CodeFunction, run_functions
from models.evaporate.config import (
    InductionConfig,
    LabelConfig,
    Place,
    SandboxConfig,
    SplitConfig,
    Wanted,
)
from models.evaporate.corpus import Document, Gold, choose_examples, examples_of
from models.evaporate.functions import parse_function
from models.evaporate.inducer import candidates
from models.evaporate.pages import Page
from models.evaporate.selection import Candidate, JudgedFunction, judge_candidates
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.records import quarantine

_BLOCK = 100  # documents whose pages are in memory at once
_FITTED = 400  # documents that accuracies are learned from


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


@produces("labels", version=1)
def labels(documents: list[TableRef], *, since: int, given: Place, wanted: Wanted) -> pa.Table:
    """What is known of the documents, and which of them are samples."""
    rows = []
    for source, found in _by_source(documents).items():
        known, origin = _known(found, given, wanted.attributes)
        labelled = sorted({doc_id for doc_id, _ in known})
        samples = choose_examples(labelled, wanted.examples, wanted.seed)
        rows += [
            {
                "collection": found[0]["collection"],
                "since": since,
                "source": source,
                "doc_id": doc_id,
                "attribute": attribute,
                "value": value,
                "sample": doc_id in samples,
                "origin": origin,
            }
            for (doc_id, attribute), value in known.items()
        ]
    return pa.Table.from_pylist(rows, schema=tables.Labels.arrow_schema())


@produces("functions", version=2)
def functions(
    documents: list[TableRef],
    labels: TableRef,
    induction: InductionConfig,
    labelling: LabelConfig,
    sandbox: SandboxConfig,
) -> pa.Table:
    """Candidate functions of every source and attribute, scored and filtered (Algorithm 1)."""
    known = labels.read().to_pylist()
    texts = _by_source(documents)
    progress = progress_bar("making functions")
    wanted = list(dict.fromkeys((row["source"], row["attribute"]) for row in known))
    rows: list[dict[str, Any]] = []
    for source in dict.fromkeys(source for source, _ in wanted):
        progress(len(rows), max(1, len(wanted)))
        of_source = [row for row in known if row["source"] == source]
        samples = {row["doc_id"] for row in of_source if row["sample"]}
        ordered = sorted(texts[source], key=lambda row: row["doc_id"] not in samples)
        corpus = [
            Document(row["doc_id"], row["text"], row["doc_id"] in samples)
            for row in ordered[: len(samples) + _FITTED]
        ]
        gold = {
            (row["doc_id"], row["attribute"]): row["value"] for row in of_source if row["sample"]
        }
        made: dict[str, Sequence[Candidate]] = {
            attribute: candidates(examples_of(corpus, gold, attribute), induction.max_candidates)
            for attribute in dict.fromkeys(attribute for _, attribute in gold)
        }
        judged = judge_candidates(corpus, gold, made, induction, sandbox)
        fitted = _fitted(judged, list(made), corpus, labelling, sandbox)
        places = {id(f): i for group in made.values() for i, f in enumerate(group)}
        head = {"collection": of_source[0]["collection"], "since": of_source[0]["since"]}
        rows += [
            {
                **head,
                "source": source,
                **_function_row(one, fitted[one.attribute]),
                "made": places[id(one.function)],
            }
            for one in judged
        ]
    return pa.Table.from_pylist(rows, schema=tables.Functions.arrow_schema())


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


def _by_source(documents: Sequence[TableRef]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for ref in documents:
        for row in ref.read(["collection", "source", "doc_id", "text"]).to_pylist():
            found.setdefault(row["source"], []).append(row)
    return dict(sorted(found.items()))


def _known(
    found: Sequence[Mapping[str, Any]], given: Place, attributes: Sequence[str]
) -> tuple[Gold, str]:
    """Values by document and attribute of one source, and where they come from."""
    if given.path:
        there = matched(read_labels(given.path), [row["doc_id"] for row in found])
        wanted = attributes or list(dict.fromkeys(label.attribute for label in there))
        return {(d, a): value for d, a, value in there if a in wanted}, "user"
    truth = {row["doc_id"]: package_truth(row["text"]) for row in found}
    wanted = attributes or ATTRIBUTES
    return {(d, a): values[a] for d, values in truth.items() for a in wanted}, "truth"


def _fitted(
    judged: Sequence[JudgedFunction],
    attributes: Sequence[str],
    corpus: Sequence[Document],
    labelling: LabelConfig,
    sandbox: SandboxConfig,
) -> dict[str, voting.Ensemble]:
    """The ensembles with their accuracies, learned from votes on documents without labels."""
    groups = voting.ensembles_of(judged, attributes)
    voters = [f for group in groups.values() for f in group.functions]
    pages = [document.page for document in corpus]
    reports = iter(run_functions(voters, pages, sandbox))
    return {
        name: voting.fit_ensemble(
            group,
            [next(reports).answers for _ in group.functions],
            labelling,
            [one.score.mean for one in judged if one.attribute == name and one.votes],
        )
        for name, group in groups.items()
    }


def _function_row(one: JudgedFunction, ensemble: voting.Ensemble) -> dict[str, Any]:
    accuracy = {
        f.function_id: a for f, a in zip(ensemble.functions, ensemble.accuracy or (), strict=False)
    }
    is_code = isinstance(one.function, CodeFunction)
    return {
        "attribute": one.attribute,
        "function_id": one.function.function_id,
        "kind": one.function.kind,
        "spec": one.function.model_dump_json(),
        "origin": "model" if is_code else "inducer",
        "prompt": None,
        "rank": one.rank,
        "score": one.score.mean,
        "median": one.score.median,
        "coverage": one.score.coverage,
        "abstain": one.abstain,
        "votes": one.votes,
        "accuracy": accuracy.get(one.function.function_id),
        "kept": one.votes > 0,
        "reason": one.reason,
        "sandbox": None,
    }
