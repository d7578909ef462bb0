"""EVAPORATE: a folder of semi-structured documents becomes a table.

sources -> documents -+-> chunks
                      +-> labels -> functions -+
                      +------------------------+-> extractions -+-> drift (-> labels, functions)
                                                                +-> attributes -> the wide tables
                                                                +-> extraction_scores

Documents come in batches; `documents`, `chunks`, `extractions`, `drift` and the wide tables have a
snapshot a batch, so that a batch that is new leaves the others alone.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from data.datasets.labels import matched, read_labels
from data.datasets.packages import ATTRIBUTES
from data.lake import Lake, TableRef
from models.evaporate.config import (
    CorpusConfig,
    DriftConfig,
    InductionConfig,
    LabelConfig,
    Place,
    SandboxConfig,
    SchemaConfig,
    SplitConfig,
    SynthesisConfig,
)
from models.evaporate.tokens import (
    Source,
    crossover_attributes,
    crossover_documents,
    per_attribute,
    per_document,
    predict,
)
from tasks import planning
from tasks.evaporate import chunks, documents, extractions, sources
from tasks.evaporate_functions import functions, labels
from tasks.evaporate_intake import Intake, set_aside, take_in
from tasks.evaporate_models import model_calls
from tasks.evaporate_results import attributes, drift, extraction_scores, wide
from tasks.evaporate_tokens import token_ledger
from tasks.pipeline import pipeline
from tasks.produces import results
from tasks.settings import lake_url


class EvaporateConfig(BaseModel, frozen=True, extra="forbid"):
    """Which documents to read, and how functions are made, run and put to the vote."""

    corpus: CorpusConfig = CorpusConfig()
    model: str = Field(
        default="", description="language model that reads and writes functions; empty: none"
    )
    split: SplitConfig = SplitConfig()
    attributes: SchemaConfig = SchemaConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    induction: InductionConfig = InductionConfig()
    labelling: LabelConfig = LabelConfig()
    sandbox: SandboxConfig = SandboxConfig()
    drift: DriftConfig = DriftConfig()


PROFILES = {
    "quick": EvaporateConfig(),
    "standard": EvaporateConfig(induction=InductionConfig(max_candidates=480, probes=100)),
    "paper": EvaporateConfig(induction=InductionConfig(max_candidates=40, probes=0)),
}


@pipeline("evaporate")
def evaporate(config: EvaporateConfig = PROFILES["quick"]) -> TableRef:
    """From ten examples many functions, from their vote a table that grows (Figure 3)."""
    corpus, lake = config.corpus, Lake(lake_url())
    intake = take_in(corpus, lake)
    if not planning.active():
        set_aside(intake, lake)
    looked_at = intake.batches[0].members[: config.split.documents]
    told = sources(intake.collection, intake.place, looked_at, config.split)
    texts = results(
        documents.submit_each(
            (batch.number, intake.place, batch.members, told, corpus.max_mib)
            for batch in intake.batches
        )
    )
    pieces = chunks.submit_each((text, corpus.chunk) for text in texts)
    pool = [texts[i] for i in _pool(intake, corpus)]
    known, calls = _labels_from(pool, 0, config)
    made = _functions_from(pool, known, calls, config)
    cells = results(
        extractions.submit_each((text, [made], config.labelling, config.sandbox) for text in texts)
    )
    results(pieces)
    shifts = results(drift.submit_each((cells[0], later, config.drift) for later in cells[1:]))
    repairs = [made]
    for i, shifted in enumerate(shifts, start=1):
        repairs += _repaired(shifted, texts[i], intake.batches[i].number, config)
        if len(repairs) > 1:
            cells[i] = extractions(texts[i], repairs, config.labelling, config.sandbox)
    columns = attributes(cells[0])
    tables = _wide_tables(texts, cells, columns)
    token_ledger(texts, columns, corpus.wanted, calls)
    if planning.active() or corpus.truth or False in known.read(["sample"])["sample"].to_pylist():
        return extraction_scores(
            pool,
            known,
            made,
            [cells[i] for i in _pool(intake, corpus)],
            truth=_file(corpus.truth),
            calls=calls,
            wanted=corpus.wanted,
            sandbox=config.sandbox,
        )
    return tables[0]


def estimate(config: EvaporateConfig) -> list[str]:
    """What the three strategies would cost in tokens on these documents, for `headwater plan`."""
    intake = take_in(config.corpus, Lake(lake_url()))
    sizes = [member[1] for batch in intake.batches for member in batch.members]
    size = Source(
        documents=len(sizes),
        characters=sum(sizes),
        attributes=len(_attributes_asked(config.corpus)) or config.attributes.attributes,
        samples=config.corpus.examples,
        chunk=config.corpus.chunk,
        chunks_per_attribute=config.synthesis.chunks_per_document,
    )
    one, whole = per_attribute(size), per_document(size)
    documents_ = crossover_documents(size.attributes, one, whole)
    attributes_ = crossover_attributes(size.documents, one, whole)
    return [
        f"predicted tokens for {size.documents:,} documents and {size.attributes} attributes, "
        "were a language model asked:",
        *(
            f"  {cost.strategy:7} {cost.tokens:>15,}   for 10,000 documents {cost.at_scale:>15,}"
            for cost in predict(size)
        ),
        f"  CODE+ is cheaper than DIRECT beyond {documents_:,.0f} documents; "
        f"DIRECT is beyond {attributes_:,.0f} attributes",
    ]


def _attributes_asked(corpus: CorpusConfig) -> Sequence[str]:
    if corpus.attributes or not (corpus.labels or not corpus.folder):
        return corpus.attributes
    if not corpus.labels:
        return ATTRIBUTES
    return list(dict.fromkeys(label.attribute for label in read_labels(corpus.labels)))


def _labels_from(
    pool: list[TableRef], since: int, config: EvaporateConfig
) -> tuple[TableRef, TableRef | None]:
    """Labels of the pool's samples, and what a model was asked for them."""
    asked: dict[str, Any] = {
        "since": since,
        "wanted": config.corpus.wanted,
        "schema": config.attributes,
        "synthesis": config.synthesis,
    }
    calls = model_calls(pool, model=config.model, **asked) if config.model else None
    return labels(pool, given=_labels_of(config.corpus), calls=calls, **asked), calls


def _functions_from(
    pool: list[TableRef], known: TableRef, calls: TableRef | None, config: EvaporateConfig
) -> TableRef:
    return functions(
        pool,
        known,
        induction=config.induction,
        synthesis=config.synthesis,
        labelling=config.labelling,
        sandbox=config.sandbox,
        wanted=config.corpus.wanted,
        calls=calls,
    )


def _repaired(
    shifted: TableRef, text: TableRef, batch: int, config: EvaporateConfig
) -> list[TableRef]:
    """New functions for the attributes that raise an alarm, from samples of their own batch.

    Without examples of theirs or anything that reads them, the alarm is all there is.
    """
    if planning.pending(shifted) or not config.drift.repair:
        return []
    broken = [row["attribute"] for row in shifted.read().to_pylist() if row["alarm"]]
    if not broken:
        return []
    corpus = config.corpus.model_copy(update={"attributes": tuple(dict.fromkeys(broken))})
    local = config.model_copy(update={"corpus": corpus})
    known, calls = _labels_from([text], batch, local)
    if not any(row["sample"] and row["value"] for row in known.read().to_pylist()):
        return []
    return [_functions_from([text], known, calls, local)]


def _pool(intake: Intake, corpus: CorpusConfig) -> list[int]:
    """Batches that samples come from: those with labelled documents, else the first."""
    if not corpus.labels:
        return [0]
    doc_ids = {member[0]: i for i, batch in enumerate(intake.batches) for member in batch.members}
    there = matched(read_labels(corpus.labels), doc_ids)
    if not there:
        raise ValueError(f"labels {corpus.labels}: none of its documents is in {corpus.folder}")
    return sorted({doc_ids[label.doc_id] for label in there})


def _labels_of(corpus: CorpusConfig) -> Place:
    if not corpus.labels and not corpus.folder:
        return Place(path="", digest="the installed packages")
    return _file(corpus.labels)


def _file(name: str) -> Place:
    if not name:
        return Place(path="")
    path = Path(name).absolute()
    return Place(path=str(path), digest=hashlib.sha256(path.read_bytes()).hexdigest())


def _wide_tables(
    texts: Sequence[TableRef], cells: Sequence[TableRef], columns: TableRef
) -> list[TableRef]:
    """The wide table of every source, a snapshot for every batch that has documents of it."""
    if planning.pending(columns):
        return [columns]
    rows = columns.read().to_pylist()
    steps = {
        source: wide(source, [row for row in rows if row["source"] == source])
        for source in dict.fromkeys(row["source"] for row in rows)
    }
    held = [  # what a batch will hold is not known while it is only planned
        steps.keys() if planning.pending(text) else set(text.read(["source"])["source"].to_pylist())
        for text in texts
    ]
    return [
        table
        for source, step in steps.items()
        for table in results(
            step.submit_each(
                (cell, columns, source)
                for cell, there in zip(cells, held, strict=True)
                if source in there
            )
        )
    ]
