"""A model is asked once: labels, functions and their replay come from the table of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from data.lake import Contract, Lake, TableRef
from data.lake.tables.evaporate import (
    Attributes,
    Documents,
    Extractions,
    ExtractionScores,
    Functions,
    Labels,
    ModelCalls,
    TokenLedger,
)
from models.evaporate.config import (
    InductionConfig,
    LabelConfig,
    Place,
    SandboxConfig,
    SchemaConfig,
    SynthesisConfig,
    Wanted,
)
from models.lm.interface import Completion, Sampling
from models.progress import Progress, silent
from tasks import evaporate_models
from tasks.evaporate import extractions
from tasks.evaporate_functions import functions, labels
from tasks.evaporate_models import model_calls
from tasks.evaporate_results import extraction_scores
from tasks.evaporate_tokens import token_ledger

WANTED = Wanted(topic="people", attributes=("age",), examples=4, seed=0, chunk=3000, direct=2)
ASKED = {"wanted": WANTED, "schema": SchemaConfig(), "synthesis": SynthesisConfig(), "since": 0}


class Reader:
    """A model that reads ages, writes one good and one hostile function, and counts its calls."""

    name = "reader"
    context = 10_000

    def __init__(self) -> None:
        self.asked = 0

    def chat_prompt(self, user: str, system: str = "") -> str:
        return user

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        self.asked += len(prompts)
        return [Completion(_answer(p), (), (), len(p) // 4, 9, "stop") for p in prompts]


def _answer(prompt: str) -> str:
    age = prompt.rsplit("years old: ", maxsplit=1)[-1].split(maxsplit=1)[0]
    if prompt.rstrip().endswith("age:"):
        return f" {age}"
    if "import re" in prompt[-200:]:
        return '    return re.findall(r"years old: (\\d+)", text)\n```'
    if "def get" in prompt[-200:]:
        return "    while True:\n        pass\n```"
    return f"age: {age}"


@pytest.fixture
def documents(lake_url: str) -> TableRef:
    rows = [
        {"collection": "people", "batch": 0, "source": "people", "doc_id": f"d{n}", "kind": "text",
         "text": f"Person {n}, age in years old: {n}7 or so\n", "bytes": 9, "sha256": "0"}
        for n in range(1, 9)
    ]  # fmt: skip
    return published(Lake(lake_url), Documents, pa.Table.from_pylist(rows))


def published(lake: Lake, contract: type[Contract], rows: pa.Table) -> TableRef:
    return lake.publish(contract, rows, recipe="0" * 64, fields={})


def test_what_was_asked_once_is_not_asked_again(
    documents: TableRef, lake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader()
    monkeypatch.setattr(evaporate_models, "_open", lambda model: reader)
    lake = Lake(lake_url)
    asked = model_calls.fn([documents], model="reader", **ASKED)
    assert set(asked["step"].to_pylist()) == {"pseudo-labels", "synthesis", "direct"}
    before = reader.asked
    assert model_calls.fn([documents], model="reader", **ASKED).equals(asked)
    assert reader.asked == before, "answers are kept, also for a run that is taken up again"

    calls = published(lake, ModelCalls, asked)
    columns = [{"collection": "people", "source": "people", "attribute": "age", "place": 0,
                "column_name": "age", "type": "integer"}]  # fmt: skip
    told = published(lake, Attributes, pa.Table.from_pylist(columns))
    ledger = TokenLedger.conform(token_ledger.fn([documents], told, WANTED, calls)).to_pylist()
    spent = {row["step"]: row for row in ledger if row["step"] != "predicted"}
    assert sum(row["prompt_tokens"] for row in spent.values()) == sum(
        asked["prompt_tokens"].to_pylist()
    )
    assert sum(row["seconds"] for row in spent.values()) == pytest.approx(
        sum(asked["seconds"].to_pylist())
    )
    direct = spent["direct"]
    tokens = direct["prompt_tokens"] + direct["completion_tokens"]
    assert (direct["strategy"], direct["projected_10k"]) == ("DIRECT", tokens * 5_000)
    known = labels.fn([documents], given=Place(path=""), calls=calls, **ASKED)
    assert set(known["origin"].to_pylist()) == {"model"}
    assert all(v.endswith("7") for v in known["value"].to_pylist())
    made = functions.fn(
        [documents],
        published(lake, Labels, known),
        induction=InductionConfig(),
        synthesis=SynthesisConfig(),
        labelling=LabelConfig(),
        sandbox=SandboxConfig(seconds=0.2),
        wanted=WANTED,
        calls=calls,
    )
    rows = Functions.conform(made).to_pylist()
    written = [row for row in rows if row["origin"] == "model"]
    assert {row["kept"] for row in written} == {True, False}
    [good] = [row for row in written if row["kept"]]
    assert good["prompt"].startswith("P_A, d")
    assert good["sandbox"].startswith("gate, process")
    [bad] = [row for row in written if not row["kept"]]
    assert "longer than 0.2 s" in bad["reason"]


def test_all_strategies_are_scored_by_a_file_that_nothing_was_learned_from(
    documents: TableRef, lake_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaporate_models, "_open", lambda model: Reader())
    lake = Lake(lake_url)
    calls = published(lake, ModelCalls, model_calls.fn([documents], model="reader", **ASKED))
    known = labels.fn([documents], given=Place(path=""), calls=calls, **ASKED)
    labelled = published(lake, Labels, known)
    learned = {"labelling": LabelConfig(), "sandbox": SandboxConfig(seconds=0.2)}
    made = functions.fn(
        [documents],
        labelled,
        induction=InductionConfig(),
        synthesis=SynthesisConfig(),
        wanted=WANTED,
        calls=calls,
        **learned,
    )
    voting = published(lake, Functions, made)
    cells = published(lake, Extractions, extractions.fn(documents, [voting], **learned))
    ages = {row["doc_id"]: row["text"] for row in documents.read().to_pylist()}
    rows = [f"{d},AGE,{text.split('years old: ')[1].split()[0]}" for d, text in ages.items()]
    (tmp_path / "truth.csv").write_text("\n".join(["doc_id,attribute,value", *rows, "d0,sex,f"]))
    scored = extraction_scores.fn(
        [documents],
        labelled,
        voting,
        [cells],
        truth=Place(path=str(tmp_path / "truth.csv"), digest="0"),
        calls=calls,
        wanted=WANTED,
        sandbox=SandboxConfig(),
    )
    figures = {
        (row["scope"], row["strategy"]): (row["value"], row["n"])
        for row in ExtractionScores.conform(scored).to_pylist()
        if (row["attribute"], row["metric"]) == ("age", "text_f1")
    }
    held_out = len(ages) - WANTED.examples
    assert figures["held-out", "CODE+"] == (1.0, held_out)
    assert ("held-out", "DIRECT") not in figures
    assert figures["read directly", "DIRECT"] == (1.0, WANTED.direct)
    assert figures["read directly", "CODE+"] == (1.0, WANTED.direct)
