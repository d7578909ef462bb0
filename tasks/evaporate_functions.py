"""Steps of EVAPORATE that make functions: labels of samples, candidates, the verdict on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from data.datasets.labels import matched, read_labels
from data.datasets.packages import ATTRIBUTES, package_truth
from data.lake import TableRef
from data.lake.tables import evaporate as tables
from models.evaporate import voting
from models.evaporate.asking import Asker
from models.evaporate.code import run_functions
from models.evaporate.config import (
    InductionConfig,
    LabelConfig,
    Place,
    SandboxConfig,
    SchemaConfig,
    SynthesisConfig,
    Wanted,
)
from models.evaporate.corpus import Document, Gold, choose_examples, examples_of
from models.evaporate.functions import LabelFunction
from models.evaporate.inducer import candidates
from models.evaporate.pages import Page, key_of
from models.evaporate.sandbox.runner import Sandbox
from models.evaporate.schema import label_schema
from models.evaporate.selection import Candidate, JudgedFunction, judge_candidates
from models.evaporate.synthesis import Written
from tasks.evaporate_models import (
    attributes_asked,
    functions_written,
    names_by_source,
    replayed,
    sample_chunks,
    texts_by_source,
    values_read,
)
from tasks.produces import produces
from tasks.progress import progress_bar

_FITTED = 400  # documents that accuracies are learned from


@produces("labels", version=1)
def labels(
    documents: list[TableRef],
    *,
    since: int,
    given: Place,
    wanted: Wanted,
    schema: SchemaConfig,
    synthesis: SynthesisConfig,
    calls: TableRef | None,
) -> pa.Table:
    """What is known of the documents, and which of them are samples.

    A user's file comes before the truth about packages, a model's answers before recurring labels.
    """
    rows = []
    collection = documents[0].read(["collection"])["collection"][0].as_py()
    names = names_by_source(documents)
    texts = {} if given.path and not since else texts_by_source(documents)
    for source, doc_ids in names.items():
        found = texts.get(source, [])
        if given.path and (labelled := _from_file(doc_ids, given, wanted)):
            known, origin = labelled, "user"
        elif given.path and not since:  # a source that nobody gave examples of
            continue
        elif given.digest and not given.path:
            known, origin = _truth(found, wanted), "truth"
        elif calls is not None:
            known, origin = (
                _from_model(found, replayed(calls, source), wanted, schema, synthesis),
                "model",
            )
        else:
            known, origin = _from_labels(found, wanted, schema), "labels"
        there = sorted({doc_id for doc_id, _ in known})
        samples = choose_examples(there, wanted.examples, wanted.seed)
        rows += [
            {
                "collection": collection,
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
    if not rows:
        raise ValueError(
            f"{collection}: the documents share no labels such as 'Name: ...' to learn from; "
            "give --examples FILE.csv, or --attributes with a --model that reads them"
        )
    return pa.Table.from_pylist(rows, schema=tables.Labels.arrow_schema())


@produces("functions", version=2)
def functions(
    documents: list[TableRef],
    labels: TableRef,
    *,
    induction: InductionConfig,
    synthesis: SynthesisConfig,
    labelling: LabelConfig,
    sandbox: SandboxConfig,
    wanted: Wanted,
    calls: TableRef | None,
) -> pa.Table:
    """Candidate functions of every source and attribute, scored and filtered (Algorithm 1)."""
    known = labels.read().to_pylist()
    chosen = {row["doc_id"] for row in known if row["sample"]}
    texts = texts_by_source(documents, chosen, _FITTED)
    progress = progress_bar("making functions")
    level = _level(sandbox) if calls is not None else None
    names = list(dict.fromkeys(row["source"] for row in known))
    rows: list[dict[str, Any]] = []
    for done, source in enumerate(names):
        progress(done, len(names))
        of_source = [row for row in known if row["source"] == source]
        samples = {row["doc_id"] for row in of_source if row["sample"]}
        gold = {(r["doc_id"], r["attribute"]): r["value"] for r in of_source if r["sample"]}
        corpus = sorted(
            (Document(r["doc_id"], r["text"], r["doc_id"] in samples) for r in texts[source]),
            key=lambda document: not document.sample,
        )
        attributes = list(dict.fromkeys(attribute for _, attribute in gold))
        written: dict[str, list[Written]] = {}
        if calls is not None:
            chunks, asker = sample_chunks(texts[source], wanted), replayed(calls, source)
            written = functions_written(asker, attributes, chunks, synthesis)
        made: dict[str, Sequence[Candidate]] = {
            attribute: [
                *(one.function for one in written.get(attribute, ())),
                *candidates(examples_of(corpus, gold, attribute), induction.max_candidates),
            ]
            for attribute in attributes
        }
        judged = judge_candidates(corpus, gold, made, induction, sandbox)
        fitted = _fitted(judged, list(made), corpus, labelling, sandbox)
        places = {id(f): i for group in made.values() for i, f in enumerate(group)}
        prompts = {
            id(one.function): f"{one.template}, {one.doc_id}"
            for group in written.values()
            for one in group
        }
        head = {name: of_source[0][name] for name in ("collection", "since", "source")}
        for one in judged:
            which = id(one.function)
            prompt = prompts.get(which)
            rows.append(
                {
                    **head,
                    **_function_row(one, fitted[one.attribute]),
                    "made": places[which],
                    "origin": "model" if prompt else "inducer",
                    "prompt": prompt,
                    "sandbox": level if prompt else None,
                }
            )
    if not rows:
        raise ValueError("no function could be made: no sample has a value of any attribute")
    return _distinct(pa.Table.from_pylist(rows, schema=tables.Functions.arrow_schema()))


def _from_file(doc_ids: Sequence[str], given: Place, wanted: Wanted) -> Gold:
    there = matched(read_labels(given.path), doc_ids)
    names = wanted.attributes or tuple(label.attribute for label in there)
    return {(d, a): value for d, a, value in there if a in names}


def _truth(found: Sequence[Mapping[str, Any]], wanted: Wanted) -> Gold:
    truth = {row["doc_id"]: package_truth(row["text"]) for row in found}
    return {(d, a): v[a] for d, v in truth.items() for a in wanted.attributes or ATTRIBUTES}


def _from_model(
    found: Sequence[Mapping[str, Any]],
    asker: Asker,
    wanted: Wanted,
    schema: SchemaConfig,
    synthesis: SynthesisConfig,
) -> Gold:
    chunks = sample_chunks(found, wanted)
    attributes = attributes_asked(asker, chunks, wanted, schema)
    values = values_read(asker, attributes, chunks, synthesis)
    return {(d, a): value for d, of_document in values.items() for a, value in of_document.items()}


def _from_labels(found: Sequence[Mapping[str, Any]], wanted: Wanted, schema: SchemaConfig) -> Gold:
    """Attributes that the samples label themselves, with what stands behind the labels."""
    samples = choose_examples([row["doc_id"] for row in found], wanted.examples, wanted.seed)
    pages = {row["doc_id"]: Page(row["text"]) for row in found if row["doc_id"] in samples}
    known: dict[tuple[str, str], str | None] = {}
    for attribute in wanted.attributes or label_schema(list(pages.values()), schema):
        key = key_of(attribute)
        if not key:
            continue
        function = LabelFunction(labels=(key,), extent="line")
        for doc_id, page in pages.items():
            answer = function.apply(page)
            known[doc_id, attribute] = answer.value if answer else None
    return known


def _distinct(rows: pa.Table) -> pa.Table:
    """Of a function that was written several times the first row, which has the votes of all."""
    seen: set[tuple[str, str, str]] = set()
    keep = []
    for row in rows.select(["source", "attribute", "function_id"]).to_pylist():
        key = tuple(row.values())
        keep.append(key not in seen)
        seen.add(key)
    return rows.filter(pa.array(keep, pa.bool_()))


def _level(sandbox: SandboxConfig) -> str:
    with Sandbox(sandbox) as running:
        return running.level


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
    return {
        "attribute": one.attribute,
        "function_id": one.function.function_id,
        "kind": one.function.kind,
        "spec": one.function.model_dump_json(),
        "rank": one.rank,
        "score": one.score.mean,
        "median": one.score.median,
        "coverage": one.score.coverage,
        "abstain": one.abstain,
        "votes": one.votes,
        "accuracy": accuracy.get(one.function.function_id),
        "kept": one.votes > 0,
        "reason": one.reason,
    }
