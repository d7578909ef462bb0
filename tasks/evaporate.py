"""Steps of EVAPORATE: texts, labels, extraction functions, extractions, scores, the wide table."""

from __future__ import annotations

import pyarrow as pa

from data.datasets.packages import ATTRIBUTES, SOURCE, package_truth, read_packages
from data.lake import TableRef
from data.lake.tables import evaporate as tables
from models.evaporate import scores
from models.evaporate.config import CorpusConfig, InductionConfig
from models.evaporate.corpus import Document, Gold, choose_examples
from models.evaporate.functions import parse_function
from models.evaporate.selection import induce
from models.evaporate.voting import Ensemble, extract
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.records import quarantine


@produces("documents", version=1)
def documents(config: CorpusConfig, digest: str) -> pa.Table:
    """The METADATA files of the installed packages; files that cannot be read are set aside.

    digest: of the source, so that the recipe changes when the installed packages do.
    """
    found, unreadable = read_packages()
    quarantine(SOURCE, [(bad.item, None, bad.reason) for bad in unreadable])
    samples = choose_examples([document.doc_id for document in found], config.examples, config.seed)
    rows = [
        {
            "source": SOURCE,
            "doc_id": document.doc_id,
            "text": document.text,
            "bytes": document.size,
            "sha256": document.sha256,
            "sample": document.doc_id in samples,
        }
        for document in found
    ]
    return pa.Table.from_pylist(rows, schema=tables.Documents.arrow_schema())


@produces("gold", version=1)
def gold(documents: TableRef) -> pa.Table:
    """What importlib.metadata reads from the same texts."""
    rows = [
        {"source": SOURCE, "doc_id": row["doc_id"], "attribute": attribute, "value": value}
        for row in documents.read(columns=["doc_id", "text"]).to_pylist()
        for attribute, value in package_truth(row["text"]).items()
    ]
    return pa.Table.from_pylist(rows, schema=tables.Gold.arrow_schema())


@produces("functions", version=1)
def functions(documents: TableRef, gold: TableRef, config: InductionConfig) -> pa.Table:
    """Functions induced from the labelled examples, scored and filtered (Algorithm 1)."""
    judged = induce(
        _documents(documents), _gold(gold), ATTRIBUTES, config, progress_bar("inducing functions")
    )
    rows = [
        {
            "source": SOURCE,
            "attribute": one.attribute,
            "function_id": one.function.function_id,
            "kind": one.function.kind,
            "spec": one.function.model_dump_json(),
            "origin": "inducer",
            "rank": one.rank,
            "score": one.score.mean,
            "median": one.score.median,
            "coverage": one.score.coverage,
            "abstain": one.abstain,
            "votes": one.votes,
            "kept": one.votes > 0,
            "reason": one.reason,
        }
        for one in judged
    ]
    return pa.Table.from_pylist(rows, schema=tables.Functions.arrow_schema())


@produces("extractions", version=1)
def extractions(documents: TableRef, functions: TableRef) -> pa.Table:
    """The kept functions, run on every document and put to the vote."""
    rows = [
        {
            "source": SOURCE,
            "doc_id": cell.doc_id,
            "attribute": cell.attribute,
            "value": cell.answer.value if cell.answer else None,
            "posterior": cell.posterior,
            "start": cell.answer.start if cell.answer else None,
            "end": cell.answer.end if cell.answer else None,
            "functions": list(cell.functions),
        }
        for cell in extract(
            _documents(documents), _ensembles(functions), progress_bar("extracting")
        )
    ]
    return pa.Table.from_pylist(rows, schema=tables.Extractions.arrow_schema())


@produces("extraction_scores", version=1)
def extraction_scores(
    documents: TableRef, gold: TableRef, functions: TableRef, extractions: TableRef
) -> pa.Table:
    """Text F1, exact match and Pair F1 of the vote and its baselines, examples left out."""
    texts, truth = _documents(documents), _gold(gold)
    strategies = {
        scores.VOTE: _gold(extractions),
        scores.BEST: scores.best_functions(texts, _ensembles(functions)),
        scores.COMMON: scores.most_frequent_values(texts, truth, ATTRIBUTES),
    }
    figures = scores.score_strategies(texts, truth, strategies, ATTRIBUTES)
    rows = [{"source": SOURCE, **figure._asdict()} for figure in figures]
    return pa.Table.from_pylist(rows, schema=tables.ExtractionScores.arrow_schema())


@produces("packages", version=1)
def packages(extractions: TableRef) -> pa.Table:
    """The extractions as one row a package, one column an attribute."""
    rows: dict[str, dict[str, str | None]] = {}
    for cell in extractions.read(columns=["doc_id", "attribute", "value"]).to_pylist():
        row = rows.setdefault(cell["doc_id"], {"doc_id": cell["doc_id"]})
        row[cell["attribute"].lower().replace("-", "_")] = cell["value"]
    return pa.Table.from_pylist(list(rows.values()), schema=tables.Packages.arrow_schema())


def _documents(ref: TableRef) -> list[Document]:
    rows = ref.read(columns=["doc_id", "text", "sample"]).to_pylist()
    return [Document(row["doc_id"], row["text"], row["sample"]) for row in rows]


def _gold(ref: TableRef) -> Gold:
    """Values by document and attribute, of `gold` or of `extractions`."""
    rows = ref.read(columns=["doc_id", "attribute", "value"]).to_pylist()
    return {(row["doc_id"], row["attribute"]): row["value"] for row in rows}


def _ensembles(ref: TableRef) -> dict[str, Ensemble]:
    """The functions that vote, best first, for every attribute, also those without any."""
    kept = [row for row in ref.read().sort_by("rank").to_pylist() if row["kept"]]
    groups = {name: [row for row in kept if row["attribute"] == name] for name in ATTRIBUTES}
    return {
        name: Ensemble(
            [parse_function(row["spec"]) for row in rows],
            [row["votes"] for row in rows],
            abstain=all(row["abstain"] for row in rows),
        )
        for name, rows in groups.items()
    }
