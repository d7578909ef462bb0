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

from pydantic import BaseModel, Field

from data.datasets.labels import matched, read_labels
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
from tasks import planning
from tasks.evaporate import chunks, documents, extractions, sources
from tasks.evaporate_functions import functions, labels
from tasks.evaporate_intake import Intake, set_aside, take_in
from tasks.evaporate_models import model_calls
from tasks.evaporate_results import attributes, drift, extraction_scores, token_ledger, wide
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
        documents.submit(batch.number, intake.place, batch.members, told, corpus.max_mib)
        for batch in intake.batches
    )
    pieces = [chunks.submit(text, corpus.chunk) for text in texts]
    pool = [texts[i] for i in _pool(intake, corpus)]
    known, made = _functions_from(pool, 0, config)
    cells = results(
        extractions.submit(text, [made], config.labelling, config.sandbox) for text in texts
    )
    results(pieces)
    results(drift.submit(cells[0], later, config.drift) for later in cells[1:])
    columns = attributes(cells[0])
    tables = _wide_tables(texts, cells, columns)
    token_ledger(texts, columns, corpus.examples, corpus.chunk)
    if planning.active() or False in known.read(["sample"])["sample"].to_pylist():
        scored = [cells[i] for i in _pool(intake, corpus)]
        return extraction_scores(pool, known, made, scored, config.sandbox)
    return tables[0]


def _functions_from(
    pool: list[TableRef], since: int, config: EvaporateConfig
) -> tuple[TableRef, TableRef]:
    """Labels of the pool's samples, and the functions made from them."""
    wanted, given = config.corpus.wanted, _labels_of(config.corpus)
    calls = (
        model_calls(
            pool,
            since=since,
            model=config.model,
            wanted=wanted,
            schema=config.attributes,
            synthesis=config.synthesis,
        )
        if config.model
        else None
    )
    known = labels(
        pool,
        since=since,
        given=given,
        wanted=wanted,
        schema=config.attributes,
        synthesis=config.synthesis,
        calls=calls,
    )
    made = functions(
        pool,
        known,
        induction=config.induction,
        synthesis=config.synthesis,
        labelling=config.labelling,
        sandbox=config.sandbox,
        wanted=wanted,
        calls=calls,
    )
    return known, made


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
    if not corpus.labels:
        return Place(path="", digest="the installed packages" if not corpus.folder else "")
    path = Path(corpus.labels).absolute()
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
    return results(
        step.submit(cell, columns, source)
        for text, cell in zip(texts, cells, strict=True)
        for source in sorted(set(text.read(["source"])["source"].to_pylist()))
        if (step := steps.get(source)) is not None
    )
