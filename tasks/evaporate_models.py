"""The step of EVAPORATE that asks a language model, and how its answers are asked for again.

Whatever a model is asked about a collection is asked in one step and kept in `model_calls`. Steps
behind it ask the same questions and are answered from there: they need no model, give the same
rows every time, and the ledger is a sum over the calls.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.lake import TableRef
from data.lake.tables import evaporate as tables
from models.evaporate.asking import Asker, Call
from models.evaporate.chunks import chunk_spans
from models.evaporate.config import SchemaConfig, SynthesisConfig, Wanted
from models.evaporate.corpus import choose_examples
from models.evaporate.direct import read_table, read_values
from models.evaporate.pages import Page
from models.evaporate.schema import model_schema
from models.evaporate.synthesis import Written, write_functions
from models.lm.interface import LanguageModel
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.settings import home

Values = dict[str, dict[str, str | None]]  # by document, then by attribute


@produces("model_calls", version=2)
def model_calls(
    documents: list[TableRef],
    *,
    since: int,
    model: str,
    wanted: Wanted,
    schema: SchemaConfig,
    synthesis: SynthesisConfig,
) -> pa.Table:
    """Everything the model is asked: attributes, their values in the samples, functions, DIRECT."""
    asked = _open(model)
    rows: list[dict[str, Any]] = []
    for source, found in texts_by_source(documents).items():
        collection = found[0]["collection"]
        memory = home() / "evaporate" / f"{collection}-{asked.name.replace('/', '-')}.jsonl"
        asker = Asker(asked, _remembered(memory), keep=lambda call, to=memory: _keep(to, call))  # type: ignore[misc]
        chunks = sample_chunks(found, wanted)
        attributes = attributes_asked(asker, chunks, wanted, schema)
        values_read(asker, attributes, chunks, synthesis)
        functions_written(asker, attributes, chunks, synthesis)
        tables_read(asker, attributes, found, wanted)
        rows += [
            {
                "collection": collection,
                "since": since,
                "call": len(rows) + number,
                "source": source,
                **call.model_dump(),
            }
            for number, call in enumerate(asker.calls)
        ]
    return pa.Table.from_pylist(rows, schema=tables.ModelCalls.arrow_schema())


def replayed(calls: TableRef, source: str) -> Asker:
    """The model as far as it was asked about this source."""
    names = list(Call.model_fields)
    rows = [row for row in calls.read(["source", *names]).to_pylist() if row["source"] == source]
    return Asker(None, [Call(**{name: row[name] for name in names}) for row in rows])


def sample_chunks(found: Sequence[Mapping[str, Any]], wanted: Wanted) -> dict[str, list[str]]:
    """The chunks of every sample document of a source."""
    samples = choose_examples([row["doc_id"] for row in found], wanted.examples, wanted.seed)
    return {
        row["doc_id"]: _chunks(row["text"], wanted.chunk)
        for row in found
        if row["doc_id"] in samples
    }


def attributes_asked(
    asker: Asker, chunks: Mapping[str, Sequence[str]], wanted: Wanted, config: SchemaConfig
) -> list[str]:
    """The attributes given, else those the model finds."""
    if wanted.attributes:
        return list(wanted.attributes)
    return model_schema(asker, list(chunks.values()), wanted.topic, config)


def values_read(
    asker: Asker,
    attributes: Sequence[str],
    chunks: Mapping[str, Sequence[str]],
    config: SynthesisConfig,
) -> Values:
    """What the model reads in the samples: the pseudo-labels."""
    progress, values = progress_bar("reading samples"), {}
    for done, (doc_id, of_document) in enumerate(chunks.items()):
        progress(done, len(chunks))
        values[doc_id] = read_values(asker, attributes, of_document, config)
    return values


def functions_written(
    asker: Asker,
    attributes: Sequence[str],
    chunks: Mapping[str, Sequence[str]],
    config: SynthesisConfig,
) -> dict[str, list[Written]]:
    """The functions the model writes for every attribute."""
    return write_functions(asker, attributes, chunks, config, progress_bar("writing functions"))


def tables_read(
    asker: Asker, attributes: Sequence[str], found: Sequence[Mapping[str, Any]], wanted: Wanted
) -> Values:
    """DIRECT on the first documents of a source that are not samples."""
    samples = choose_examples([row["doc_id"] for row in found], wanted.examples, wanted.seed)
    others = [row for row in found if row["doc_id"] not in samples][: wanted.direct]
    progress, values = progress_bar("reading directly"), {}
    answer = 20 * max(1, len(attributes))  # tokens: a line an attribute
    for done, row in enumerate(others):
        progress(done, len(others))
        chunks = _chunks(row["text"], wanted.chunk)
        values[row["doc_id"]] = read_table(asker, attributes, chunks, answer)
    return values


def texts_by_source(
    documents: Sequence[TableRef], first: Container[str] | None = None, others: int = 0
) -> dict[str, list[dict[str, Any]]]:
    """Collection, source, doc_id and text of the documents, by source.

    first: the documents wanted, all without it; others: how many more of every source.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    more: Counter[str] = Counter()
    for ref in documents:
        rows = ref.read(["collection", "source", "doc_id", "text"])
        for i, (source, doc_id) in enumerate(_names(rows)):
            wanted = first is None or doc_id in first
            if not wanted:
                more[source] += 1
            if wanted or more[source] <= others:
                found.setdefault(source, []).extend(rows.slice(i, 1).to_pylist())
    return dict(sorted(found.items()))


def names_by_source(documents: Sequence[TableRef]) -> dict[str, list[str]]:
    """The documents' doc_ids by source."""
    found: dict[str, list[str]] = {}
    for ref in documents:
        for source, doc_id in _names(ref.read(["source", "doc_id"])):
            found.setdefault(source, []).append(doc_id)
    return dict(sorted(found.items()))


def _names(rows: pa.Table) -> Iterable[tuple[str, str]]:
    return zip(rows["source"].to_pylist(), rows["doc_id"].to_pylist(), strict=True)


def _chunks(text: str, size: int) -> list[str]:
    page = Page(text)
    return [page.text[start:end] for start, end in chunk_spans(page.text, size)]


def _open(model: str) -> LanguageModel:
    # By name: collections that no model is asked about do not depend on the back ends' code.
    config = importlib.import_module("models.lm.config").ModelConfig
    opened: LanguageModel = importlib.import_module("models.lm.opening").open_model(
        config(
            name=model,
            backend="gguf" if model.endswith(".gguf") else "transformers",
            reuse_beginning=model.endswith(".gguf"),  # answers are recorded: order cannot show
        ),
        importlib.import_module("tasks.settings").models_dir(),
    )
    return opened


def _remembered(memory: Path) -> list[Call]:
    """Answers of runs that did not come to an end; a line cut short by a kill is no answer."""
    if not memory.exists():
        return []
    calls = []
    for line in memory.read_text("utf-8").splitlines():
        try:
            calls.append(Call(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return calls


def _keep(memory: Path, call: Call) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    with memory.open("a", encoding="utf-8") as file:
        file.write(call.model_dump_json() + "\n")
