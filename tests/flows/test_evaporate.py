"""A folder becomes a table that grows: labels, batches, drift, repair, tracing, export."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from flows import ingesting, printing
from flows.errors import CallError
from flows.evaporate import EvaporateConfig, estimate, evaporate
from models.evaporate.config import CorpusConfig, InductionConfig
from tasks.planning import planning

NAMES = ["Ada", "Bo", "Cy", "Dee", "Eve", "Flo", "Gus", "Hal", "Ida", "Jo"]


def visit(number: int, rng: random.Random) -> tuple[str, dict[str, str]]:
    facts = {
        "Patient": f"{rng.choice(NAMES)} {rng.choice(NAMES)}son",
        "Age": str(rng.randrange(20, 90)),
        "Seen on": f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
    }
    lines = "\n".join(f"{name}: {value}" for name, value in facts.items())
    return f"VISIT {number}\n\n{lines}\n\nNotes\n\nAll is well with number {number}.\n", facts


def other_visit(number: int, rng: random.Random) -> tuple[str, dict[str, str]]:
    """As above, but the age has moved into a sentence."""
    text, facts = visit(number, rng)
    moved = text.replace(f"Age: {facts['Age']}\n", "")
    return moved.replace("All is well", f"A person of {facts['Age']} years. All is well"), facts


def put(folder: Path, numbers: range, make=visit) -> dict[str, dict[str, str]]:
    folder.mkdir(exist_ok=True)
    written = {}
    for number in numbers:
        text, facts = make(number, random.Random(number))
        (folder / f"v{number}.txt").write_text(text)
        written[f"v{number}.txt"] = facts
    return written


def label(path: Path, facts: dict[str, dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["doc_id", "attribute", "value"])
        for doc_id, values in facts.items():
            writer.writerows([doc_id, name, value] for name, value in values.items())
    return path


def config_of(folder: Path, labels: Path | str = "", **more: object) -> EvaporateConfig:
    corpus = {"folder": str(folder), "topic": "visits", "labels": str(labels), **more}
    return EvaporateConfig(
        corpus=CorpusConfig.model_validate(corpus), induction=InductionConfig(max_candidates=40)
    )


@pytest.mark.flow
def test_a_folder_with_examples_becomes_a_table_that_grows(
    tmp_path, lake_url, prefect_server
) -> None:
    folder = tmp_path / "visits"
    facts = put(folder, range(40))
    (folder / "broken.pdf").write_bytes(b"not a pdf")
    labels = label(tmp_path / "labels.csv", {name: facts[name] for name in list(facts)[:30]})
    config = config_of(folder, labels)
    assert evaporate(config).table == "extraction_scores"
    lake = Lake(lake_url)
    catalog = Catalog(lake)
    rows = {row["doc_id"]: row for row in catalog.rows("SELECT * FROM visits")}
    assert len(rows) == 40
    assert list(next(iter(rows.values()))) == ["doc_id", "batch", "patient", "age", "seen_on"]
    for doc_id, values in facts.items():
        assert rows[doc_id]["patient"] == values["Patient"]
        assert rows[doc_id]["age"] == int(values["Age"])
        assert rows[doc_id]["seen_on"].isoformat() == values["Seen on"]
    [bad] = catalog.rows("SELECT item, reason FROM quarantine")
    assert bad == {"item": "broken.pdf", "reason": "not a PDF file: it lacks the PDF header"}
    traced = catalog.rows(
        'SELECT value, substr(text, "start" + 1, "end" - "start") AS there FROM extractions '
        "JOIN documents USING (source, doc_id) WHERE value IS NOT NULL"
    )
    assert len(traced) == 120
    assert all(row["value"] == row["there"] for row in traced)

    put(folder, range(40, 55), other_visit)
    config = config.model_copy(update={"corpus": config.corpus.model_copy(update={"batch": 40})})
    with planning() as lines:
        evaporate(config)
    assert [line.hit for line in lines if line.table == "documents"] == [True, False]
    assert all(line.hit for line in lines if line.table in {"sources", "labels", "functions"})
    evaporate(config)
    catalog = Catalog(lake)
    assert len(catalog.rows("SELECT * FROM visits")) == 55
    alarms = catalog.rows("SELECT attribute FROM drift WHERE alarm")
    assert alarms == [{"attribute": "Age"}]
    assert len(lake.commits("functions")) == 1, "nobody can tell what a person of 40 years is"

    more = {f"v{n}.txt": other_visit(n, random.Random(n))[1] for n in range(40, 50)}
    label(labels, {name: facts[name] for name in list(facts)[:30]} | more)
    evaporate(config)
    ages = {row["doc_id"]: row["age"] for row in Catalog(lake).rows("FROM visits")}
    wrong = [n for n in range(55) if ages[f"v{n}.txt"] != int(visit(n, random.Random(n))[1]["Age"])]
    assert not wrong


@pytest.mark.flow
def test_labels_that_documents_share_are_enough(tmp_path, lake_url, prefect_server, capsys) -> None:
    facts = put(tmp_path / "visits", range(20))
    config = config_of(tmp_path / "visits")
    assert evaporate(config).table == "visits"
    rows = Catalog(Lake(lake_url)).rows("SELECT * FROM visits")
    assert {row["patient"] for row in rows} == {one["Patient"] for one in facts.values()}
    printing.describe("visits")
    described = capsys.readouterr().out.splitlines()
    assert ["seen_on", "DATE", "Seen", "on"] in [line.split() for line in described]
    ingesting.show("v3:patient")
    shown = capsys.readouterr().out
    assert f"»{facts['v3.txt']['Patient']}«" in " ".join(shown.split())
    with pytest.raises(CallError, match="has no attribute 'patent', did you mean Patient"):
        ingesting.show("v3.txt:patent")
    with pytest.raises(CallError, match="no such document"):
        ingesting.show("v99:patient")
    with pytest.raises(CallError, match="DOC:ATTRIBUTE"):
        ingesting.show("v3")
    ingesting.export("visits", tmp_path / "out.py")
    assert "def extract(text)" in (tmp_path / "out.py").read_text()
    with pytest.raises(CallError, match="did you mean visits"):
        ingesting.export("visit", tmp_path / "out.py")
    (tmp_path / "visits" / "v3.txt").unlink()
    evaporate(config)
    assert len(Catalog(Lake(lake_url)).rows("SELECT * FROM visits")) == 19


def test_calls_that_cannot_work_are_told_before_anything_runs(tmp_path) -> None:
    folder = tmp_path / "in"
    with pytest.raises(CallError, match="is not a folder"):
        ingesting.check(folder, "things")
    folder.mkdir()
    with pytest.raises(CallError, match="is empty"):
        ingesting.check(folder, "things")
    put(folder, range(1))
    with pytest.raises(CallError, match="begin with a letter"):
        ingesting.check(folder, "42")
    with pytest.raises(CallError, match="there is a table documents of another kind"):
        ingesting.check(folder, "Documents")
    with pytest.raises(CallError, match="none of its documents is in"):
        ingesting.check(folder, "things", label(tmp_path / "l.csv", {"other": {"a": "b"}}))


def test_the_cost_is_known_beforehand(tmp_path) -> None:
    put(tmp_path / "visits", range(20))
    lines = estimate(config_of(tmp_path / "visits", attributes=["Age"]))
    assert lines[0].startswith("predicted tokens for 20 documents and 1 attributes")
    assert [line.split()[0] for line in lines[1:4]] == ["DIRECT", "CODE", "CODE+"]
