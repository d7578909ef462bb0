"""Steps of EVAPORATE behind the extractions: typed columns, wide tables, drift, scores."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from data.datasets.labels import matched, read_labels
from data.lake import Contract, TableRef, column
from data.lake.tables import evaporate as tables
from models.evaporate import scores
from models.evaporate.code import run_functions
from models.evaporate.columns import Kind, column_names, infer_kind, slug, wide_row
from models.evaporate.config import DriftConfig, Place, SandboxConfig, Wanted
from models.evaporate.corpus import Document, Gold
from models.evaporate.drift import Shares, shares, shift
from models.evaporate.tokens import CODE, CODE_PLUS, DIRECT
from tasks.evaporate import candidate_of
from tasks.evaporate_models import names_by_source, replayed, tables_read, texts_by_source
from tasks.produces import Step, produces

_TYPES: Mapping[str, Any] = {
    "integer": int | None,
    "number": float | None,
    "date": date | None,
    "list": list[str] | None,
    "text": str | None,
}
_CELLS = ["source", "doc_id", "attribute", "value", "posterior"]


@produces("attributes", version=1)
def attributes(extractions: TableRef) -> pa.Table:
    """Name and type of every column of the wide tables, from the first batch's values."""
    found: dict[str, dict[str, list[str]]] = {}
    cells = extractions.read(["collection", *_CELLS]).to_pylist()
    for cell in cells:
        values = found.setdefault(cell["source"], {}).setdefault(cell["attribute"], [])
        if cell["value"] is not None:
            values.append(cell["value"])
    rows = [
        {
            "collection": cells[0]["collection"],
            "source": source,
            "attribute": attribute,
            "place": place,
            "column_name": names[attribute],
            "type": infer_kind(values),
        }
        for source, by_attribute in found.items()
        for names in [column_names(list(by_attribute), taken=("doc_id", "batch"))]
        for place, (attribute, values) in enumerate(by_attribute.items())
    ]
    return pa.Table.from_pylist(rows, schema=tables.Attributes.arrow_schema())


def wide(source: str, columns: Sequence[Mapping[str, Any]]) -> Step:
    """The step that makes a source's wide table; its contract is known only now.

    columns: the source's rows of `attributes`.
    """
    return WideStep(source, columns)


class WideStep(Step):
    """A step whose contract comes from a table."""

    def __init__(self, source: str, columns: Sequence[Mapping[str, Any]]) -> None:
        self.made_of = (source, [dict(row) for row in columns])
        super().__init__(wide_rows, wide_contract(*self.made_of), version=1)

    def __reduce__(self) -> tuple[Any, ...]:
        return wide, self.made_of


def wide_contract(source: str, columns: Sequence[Mapping[str, Any]]) -> type[Contract]:
    """The contract of a wide table: doc_id, batch, then a column an attribute."""
    fields: dict[str, tuple[Any, str]] = {
        "doc_id": (str, "document"),
        "batch": (int, "batch of the collection"),
        **{row["column_name"]: (_TYPES[row["type"]], row["attribute"]) for row in columns},
    }

    def body(namespace: dict[str, Any]) -> None:
        namespace["__doc__"] = f"What was extracted of each document of {source}."
        namespace["__annotations__"] = {name: kind for name, (kind, _) in fields.items()}
        namespace |= {name: column(meaning) for name, (_, meaning) in fields.items()}

    given = {"table": source, "unique": ("doc_id",), "partition": ("batch",)}
    return types.new_class("Wide", (Contract,), given, body)


def wide_rows(extractions: TableRef, attributes: TableRef, source: str) -> pa.Table:
    """One row a document of one batch, one typed column an attribute."""
    chosen = [row for row in attributes.read().to_pylist() if row["source"] == source]
    chosen.sort(key=lambda row: row["place"])
    kinds: dict[str, Kind] = {row["attribute"]: row["type"] for row in chosen}
    names = {row["attribute"]: row["column_name"] for row in chosen}
    found: dict[tuple[str, int], dict[str, str | None]] = {}
    for cell in extractions.read(["batch", *_CELLS]).to_pylist():
        if cell["source"] == source:
            key = (cell["doc_id"], cell["batch"])
            found.setdefault(key, {})[cell["attribute"]] = cell["value"]
    rows = [
        {"doc_id": doc_id, "batch": batch}
        | {names[attribute]: value for attribute, value in wide_row(values, kinds).items()}
        for (doc_id, batch), values in found.items()
    ]
    return pa.Table.from_pylist(rows, schema=wide_contract(source, chosen).arrow_schema())


@produces("drift", version=1)
def drift(first: TableRef, extractions: TableRef, config: DriftConfig) -> pa.Table:
    """How the values of one batch compare with those of the first."""
    expected, found = _shares(first), _shares(extractions)
    partition = extractions.read(["collection", "batch"]).slice(0, 1).to_pylist()
    rows = []
    for (source, attribute), there in found.items():
        before = expected.get((source, attribute), Shares(0, 0, 0.0))
        shifted = shift(before, there, config)
        rows.append(
            {
                **partition[0],
                "source": source,
                "attribute": attribute,
                "documents": there.documents,
                "fill_rate": there.fill_rate,
                "expected_fill_rate": before.fill_rate,
                "agreement": there.agreement,
                "expected_agreement": before.agreement,
                "z": shifted.z,
                "alarm": shifted.alarm,
            }
        )
    return pa.Table.from_pylist(rows, schema=tables.Drift.arrow_schema())


@produces("extraction_scores", version=3)
def extraction_scores(
    documents: list[TableRef],
    labels: TableRef,
    functions: TableRef,
    extractions: list[TableRef],
    *,
    truth: Place,
    calls: TableRef | None,
    wanted: Wanted,
    sandbox: SandboxConfig,
) -> pa.Table:
    """Agreement of CODE+, CODE, DIRECT and the most frequent value with what is true.

    True are the values of the file `truth`; without one, the labels that are no samples.
    """
    known = labels.read().to_pylist()
    collection = known[0]["collection"]
    doc_ids = names_by_source(documents)
    rows = []
    for source in dict.fromkeys(row["source"] for row in known):
        of_source = [row for row in known if row["source"] == source]
        said: Gold = {(row["doc_id"], row["attribute"]): row["value"] for row in of_source}
        samples = {row["doc_id"] for row in of_source if row["sample"]}
        names = list(dict.fromkeys(attribute for _, attribute in said))
        gold = _true_values(truth, doc_ids[source], names) if truth.path else said
        scored = {doc_id for doc_id, _ in gold} - samples
        if not scored:
            continue
        found = texts_by_source(documents)[source]
        texts = [
            Document(row["doc_id"], row["text"], row["doc_id"] in samples)
            for row in found
            if row["doc_id"] in scored | samples
        ]
        strategies: dict[str, Gold] = {
            CODE_PLUS: _values(extractions, source),
            CODE: _first_functions(functions, source, texts, sandbox),
            scores.COMMON: scores.most_frequent_values(texts, said, names),
        }
        head = {"collection": collection, "source": source}
        rows += [
            {**head, "scope": "held-out", **figure._asdict()}
            for figure in scores.score_strategies(texts, gold, strategies, names)
        ]
        if calls is None or not wanted.direct:
            continue
        read = tables_read(replayed(calls, source), names, found, wanted)
        strategies[DIRECT] = {
            (d, a): value for d, told in read.items() for a, value in told.items()
        }
        if there := [text for text in texts if text.doc_id in read]:
            rows += [
                {**head, "scope": "read directly", **figure._asdict()}
                for figure in scores.score_strategies(there, gold, strategies, names)
            ]
    return pa.Table.from_pylist(rows, schema=tables.ExtractionScores.arrow_schema())


def _shares(extractions: TableRef) -> dict[tuple[str, str], Shares]:
    """Of every source and attribute of a batch."""
    cells: dict[tuple[str, str], list[float | None]] = {}
    for cell in extractions.read(_CELLS).to_pylist():
        posterior = None if cell["value"] is None else cell["posterior"]
        cells.setdefault((cell["source"], cell["attribute"]), []).append(posterior)
    return {key: shares(found) for key, found in cells.items()}


def _true_values(truth: Place, doc_ids: Sequence[str], attributes: Sequence[str]) -> Gold:
    """The file's values, under the attributes' own spelling."""
    spelled = {slug(attribute): attribute for attribute in attributes}
    return {
        (doc_id, spelled[slug(attribute)]): value
        for doc_id, attribute, value in matched(read_labels(truth.path), doc_ids)
        if slug(attribute) in spelled
    }


def _values(extractions: Iterable[TableRef], source: str) -> Gold:
    return {
        (cell["doc_id"], cell["attribute"]): cell["value"]
        for ref in extractions
        for cell in ref.read(_CELLS).to_pylist()
        if cell["source"] == source
    }


def _first_functions(
    functions: TableRef, source: str, texts: Sequence[Document], sandbox: SandboxConfig
) -> Gold:
    """CODE: the answers of the function made first for every attribute, as it is."""
    first = [
        row for row in functions.read().to_pylist() if row["source"] == source and row["made"] == 0
    ]
    reports = run_functions(
        [candidate_of(row["spec"]) for row in first], [text.page for text in texts], sandbox
    )
    return {
        (text.doc_id, row["attribute"]): answer.value if answer else None
        for row, report in zip(first, reports, strict=True)
        for text, answer in zip(texts, report.answers, strict=True)
    }
