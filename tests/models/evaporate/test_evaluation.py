"""Whole collections: ten examples, no model, everything else held out."""

from __future__ import annotations

import csv
import email
import io
import re
import tarfile
import time
from pathlib import Path
from statistics import fmean

import pytest

from data.datasets import packages
from data.datasets.factbook import ATTRIBUTES, as_infobox, as_memorandum, read_factbook
from models.evaporate.ablation import ARMS, ablate
from models.evaporate.asking import Asker, Call
from models.evaporate.chunks import chunk_spans
from models.evaporate.config import InductionConfig, LabelConfig, SynthesisConfig
from models.evaporate.corpus import Document, Gold, choose_examples, examples_of
from models.evaporate.direct import read_values
from models.evaporate.evaluation import Evaluation, evaluate
from models.evaporate.inducer import candidates
from models.evaporate.metrics import text_f1
from models.evaporate.pages import Page
from models.evaporate.scores import COMMON, score_strategies
from models.evaporate.synthesis import write_functions
from models.evaporate.tokens import CODE_PLUS, SCALE

# Questions to Qwen2.5-Coder 0.5B (q4_k_m, greedy) about ten summaries, and its answers.
RECORDED = Path(__file__).parent / "recorded" / "fda_qwen25_coder_05b.jsonl"

Summaries = tuple[dict[str, str], Gold, tuple[str, ...]]

FDA_ATTRIBUTES = (
    "510k_number", "applicant", "purpose_for_submission", "measurand", "type_of_test",
    "proprietary_name", "regulation_section", "classification", "product_code", "panel",
    "predicate_device_name", "predicate_510k_number",
)  # fmt: skip
# The lettered template: these headings in this order, A to H.
FDA_HEADINGS = (
    r"510\(k\) ?number", "purpose for sub", "measurand", "type of test", "applicant",
    "proprietary and est", "regulatory info", "intended use",
)  # fmt: skip
PEP_ALWAYS = ("PEP", "Title", "Author", "Status", "Type", "Created")
PEP_ATTRIBUTES = (
    *PEP_ALWAYS, "Post-History", "Python-Version", "Discussions-To", "Resolution", "Topic",
    "Sponsor", "Replaces", "Requires", "Superseded-By",
)  # fmt: skip


def texts_of(archive: Path, suffix: str) -> dict[str, str]:
    """The text files of an archive by their name without ending."""
    with tarfile.open(archive) as tar:
        files = {Path(m.name).stem: tar.extractfile(m) for m in tar if m.name.endswith(suffix)}
        return {name: file.read().decode() for name, file in sorted(files.items()) if file}


def follows_template(text: str) -> bool:
    at = 0
    for letter, heading in zip("ABCDEFGH", FDA_HEADINGS, strict=True):
        found = re.compile(rf"(?im)^[ \t#]*{letter}[.\s]\s*{heading}").search(text, at)
        if not found:
            return False
        at = found.end()
    return True


def run(
    texts: dict[str, str], gold: Gold, attributes: tuple[str, ...], seed: int, others: tuple = ()
) -> tuple[Evaluation, list[Document]]:
    """CODE+ with ten samples drawn from `texts`; `others` are documents that are never samples."""
    samples = choose_examples([name for name in texts if name not in others], 10, seed)
    documents = [Document(name, text, name in samples) for name, text in texts.items()]
    return evaluate(documents, gold, attributes, InductionConfig(), LabelConfig()), documents


@pytest.fixture(scope="module")
def fda(shared_datasets: Path) -> Summaries:
    """The labelled summaries, their values, and which of them follow another template."""
    texts = texts_of(shared_datasets / "fda_510k" / "documents.tar.xz", ".txt")
    table = io.StringIO((shared_datasets / "fda_510k" / "gold_dev.csv").read_text())
    gold = {(r["doc_id"], r["attribute"]): r["value"] or None for r in csv.DictReader(table)}
    labelled = {doc_id for doc_id, _ in gold}
    texts = {name: text for name, text in texts.items() if name in labelled}
    return texts, gold, tuple(n for n, text in texts.items() if not follows_template(text))


@pytest.fixture(scope="module")
def summaries(fda: Summaries) -> tuple[Evaluation, list[Document]]:
    texts, gold, hard = fda
    return run(texts, gold, FDA_ATTRIBUTES, 0, others=hard)


@pytest.mark.shared
def test_fda_summaries(fda: Summaries, summaries: tuple[Evaluation, list[Document]]) -> None:
    _, gold, hard = fda
    result, documents = summaries
    values = result.values[CODE_PLUS]
    held_out = [d.doc_id for d in documents if not d.sample and d.doc_id not in hard]
    by_attribute = [
        fmean(text_f1(gold[d, a], values[d, a]) for d in held_out if (d, a) in gold)
        for a in FDA_ATTRIBUTES
    ]
    assert fmean(by_attribute) >= 0.90  # 0.80 is asked for
    # On other templates a cell is left empty rather than filled with something wrong.
    cells = [(d, a) for d in hard for a in FDA_ATTRIBUTES if (d, a) in gold]
    wrong = [c for c in cells if values[c] is not None and text_f1(gold[c], values[c]) <= 0.5]
    empty = [c for c in cells if values[c] is None and gold[c] is not None]
    assert len(wrong) < 0.08 * len(cells)
    assert len(wrong) < len(empty)


@pytest.mark.shared
def test_peps(shared_datasets: Path) -> None:
    every = texts_of(shared_datasets / "peps" / "peps-rst.tar.xz", ".rst")
    texts = dict(list(every.items())[::4])
    gold: dict[tuple[str, str], str | None] = {}
    for name, text in texts.items():
        header = email.message_from_string(text)
        for attribute in PEP_ATTRIBUTES:
            value = " ".join(str(header.get(attribute) or "").split())
            gold[name, attribute] = value or None
    result, _ = run(texts, gold, PEP_ATTRIBUTES, seed=0)
    assert result.macro(CODE_PLUS, "text_f1", PEP_ALWAYS) >= 0.98  # 0.95 is asked for
    assert result.figure(CODE_PLUS, "text_f1") >= 0.95  # 0.85 is asked for


def test_metadata_of_installed_packages() -> None:
    found, _ = packages.read_packages()
    texts = {document.doc_id: document.text for document in found[::2]}
    gold = {(n, a): v for n, text in texts.items() for a, v in packages.package_truth(text).items()}
    result, _ = run(texts, gold, packages.ATTRIBUTES, seed=0)
    assert result.figure(CODE_PLUS, "text_f1") >= 0.95  # varies with what is installed


@pytest.mark.shared
@pytest.mark.parametrize("render", [as_infobox, as_memorandum], ids=["html", "text"])
def test_factbook_templates(shared_datasets: Path, render) -> None:
    entries = read_factbook(shared_datasets / "factbook" / "factbook-json.tar.xz")
    texts = {name: render(entry) for name, entry in entries.items()}
    gold = {(name, a): entry[a] for name, entry in entries.items() for a in ATTRIBUTES}
    result, _ = run(texts, gold, tuple(ATTRIBUTES), seed=0)
    assert result.figure(CODE_PLUS, "text_f1") >= 0.97  # 0.95 is asked for


@pytest.mark.shared
def test_ablation_on_summaries(fda: Summaries) -> None:
    """Filter and abstention add what the paper says they add; its two unfiltered arms differ
    by little, in either direction, there as here."""
    texts, gold, hard = fda
    names = [name for name in texts if name not in hard][:90]
    samples = choose_examples(names, 10, 0)
    documents = [Document(name, texts[name], name in samples) for name in names]
    made = {a: candidates(examples_of(documents, gold, a), 40) for a in FDA_ATTRIBUTES}
    values = ablate(documents, gold, made, InductionConfig())
    scores = score_strategies(documents, gold, values, FDA_ATTRIBUTES)
    pair = {s.strategy: s.value for s in scores if (s.attribute, s.metric) == ("all", "pair_f1")}
    assert pair["WS+filter"] > max(pair["MV"], pair["WS"]) + 0.07
    assert pair["WS+abstain+filter"] >= pair["WS+filter"] - 0.005
    assert set(pair) == set(ARMS)


@pytest.mark.shared
def test_a_function_takes_a_quarter_of_a_millisecond_a_document(
    fda: Summaries, summaries: tuple[Evaluation, list[Document]]
) -> None:
    """All of an ensemble's functions on fresh pages, the reading of each page included."""
    texts, _, _ = fda
    ensembles = summaries[0].ensembles.values()
    functions = [function for ensemble in ensembles for function in ensemble.functions]
    functions = (functions * (100 // len(functions) + 1))[:100]
    sample = list(texts.values())[:60]
    started = time.process_time()
    for text in sample:
        page = Page(text)
        for function in functions:
            function.apply(page)
    assert (time.process_time() - started) / len(sample) / len(functions) < 0.25e-3


@pytest.mark.shared
def test_summaries_without_any_label(fda: Summaries) -> None:
    """A recorded run of a small model: it read ten samples and wrote functions; nobody labelled."""
    texts, gold, _ = fda
    names = sorted(choose_examples(sorted(texts), 200, 7))
    samples = sorted(choose_examples(names, 10, 0))
    spoken = {name: name.replace("510k", "510(k)").replace("_", " ") for name in FDA_ATTRIBUTES}
    documents = [Document(name, texts[name], name in samples) for name in names]
    chunks = {
        d.doc_id: [d.page.text[slice(*span)] for span in chunk_spans(d.page.text, 2_500)]
        for d in documents
        if d.sample
    }
    config = SynthesisConfig(chunks_per_document=1, max_tokens=200)
    calls = [Call.model_validate_json(line) for line in RECORDED.read_text().splitlines()]
    asker = Asker(None, calls)
    asked = list(spoken.values())
    read = {name: read_values(asker, asked, chunks[name], config) for name in samples}
    written = write_functions(asker, asked, chunks, config)
    result = evaluate(
        documents,
        {(d, spoken[a]): value for (d, a), value in gold.items()},
        asked,
        InductionConfig(),
        LabelConfig(),
        labels={(d, a): value for d, values in read.items() for a, value in values.items()},
        made={a: [one.function for one in written[a]] for a in asked},
    )
    assert result.figure(CODE_PLUS, "text_f1") > 0.45
    assert result.figure(CODE_PLUS, "text_f1") > result.figure(COMMON, "text_f1") + 0.2
    # What DIRECT would read of 10,000 such documents, at no fewer than a token per six characters.
    direct = sum(len(d.page.text) for d in documents) / 6 / len(documents) * SCALE
    assert direct / asker.tokens().total > 100
