"""Steps that put scenarios to language models. What comes out are HELM's files, a row a file, and
the tables that the readers of such files make of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from data.datasets import evaluation as datasets
from data.lake import Lake, TableRef
from data.lake.catalog import matching, run_sql
from data.lake.tables import CONTRACTS
from data.lake.tables import helm as tables
from data.lake.tables.lm import LmRequests
from models.helm import rows, scenarios
from models.helm.config import EvaluationConfig
from models.helm.evaluation import (
    Answered,
    answer,
    corpus_stats,
    per_instance_stats,
    request_state,
    run_name,
    run_spec,
)
from models.helm.instances import Scenario
from models.lm.interface import Sampling
from models.lm.requests import generation, scoring
from tasks.helm import sql
from tasks.helm_derived import calibration_of
from tasks.lm import open_listed
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.records import quarantine
from tasks.settings import lake_url

if TYPE_CHECKING:
    from models.helm.adapters import Ask


def data_digest(config: EvaluationConfig) -> str:
    """A hash of the files the scenarios are made from, for the recipe of what they give."""
    digest = hashlib.sha256()
    if config.data:
        digest.update(datasets.evaluation_digest(config.data, config.datasets).encode())
    for name in config.jsonl:
        digest.update(Path(name).read_bytes())
    return digest.hexdigest()


@produces("helm_documents", version=1)
def helm_documents(models: list[TableRef], config: EvaluationConfig, digest: str) -> pa.Table:
    """Every scenario put to every model: run_spec, scenario_state, per_instance_stats.

    Answers are remembered request by request (table lm_requests): a run that was killed goes on
    where it was. What a back end cannot do (score, for one) is set aside in `quarantine`.
    """
    asked = list(build_scenarios(config))
    found: list[dict[str, str]] = []
    refused: list[tuple[str, int | None, str]] = []
    for ref in models:
        [listed] = ref.read().to_pylist()
        with open_listed(ref) as lm:
            name = _model_name(listed)
            for scenario in asked:
                run = run_name(scenario, name)
                bar = progress_bar(f"{name}: {scenario.name}")
                try:
                    answers = answer(scenario, lm, config.seed, bar)
                except (NotImplementedError, ValueError) as error:
                    refused.append((run, None, str(error)))
                    continue
                lm.flush()
                seconds = _seconds(listed["weights_sha256"], scenario, answers)
                for kind, value in _documents(scenario, name, answers, seconds).items():
                    content = orjson.dumps(value).decode()
                    row = {"suite": config.suite, "run": run, "kind": kind, "content": content}
                    found.append(row)
    quarantine(f"helm evaluation {config.suite}", refused)
    return pa.Table.from_pylist(found, schema=tables.HelmDocuments.arrow_schema())


@produces("helm_runs", version=1)
def evaluation_runs(documents: TableRef) -> pa.Table:
    """The evaluated runs, as their run_spec.json is read."""
    return _rows(documents, "helm_runs", "run_spec", lambda spec: [rows.run_row(spec)])


@produces("helm_instance_stats", version=1)
def evaluation_instance_stats(documents: TableRef) -> pa.Table:
    """The evaluated instances, as their per_instance_stats.json is read."""
    kind = "per_instance_stats"
    return _rows(documents, "helm_instance_stats", kind, rows.instance_stat_rows)


@produces("helm_predictions", version=1)
def evaluation_predictions(documents: TableRef) -> pa.Table:
    """Requests and answers, as scenario_state.json is read."""
    return _rows(
        documents,
        "helm_predictions",
        "scenario_state",
        lambda state: rows.prediction_rows(state["request_states"]),
    )


@produces("helm_stats", version=1)
def evaluation_stats(documents: TableRef, instance_stats: TableRef) -> pa.Table:
    """Stats over the instances by HELM's rules, and those over all texts of a run."""
    derived = run_sql(
        sql("helm_evaluation_stats.sql"),
        {"recomputed": _recomputed(instance_stats)},
    )
    corpus = _rows(documents, "helm_stats", "corpus_stats", rows.stat_rows)
    schema = tables.HelmStats.arrow_schema()
    return pa.concat_tables([derived.select(schema.names).cast(schema), corpus])


def build_scenarios(config: EvaluationConfig) -> Iterator[Scenario]:
    """The scenarios of a configuration. Raises ValueError for data that is not there."""
    n, seed = config.instances, config.seed
    made: dict[str, Callable[[int, int], Scenario]] = {
        "synthetic_reasoning": scenarios.synthetic_reasoning,
        "dyck_language": scenarios.dyck,
        "recall": scenarios.recall,
        "open_ended": scenarios.open_ended,
    }
    for name in config.generated:
        # Bias counts words in free text: a handful of texts hold none.
        yield made[name](4 * n if name == "open_ended" else n, seed)
    for dataset in config.datasets if config.data else ():
        yield from _from_data(dataset, Path(config.data), config)
    for path in config.jsonl:
        yield scenarios.read_jsonl(Path(path), n)


def _from_data(name: str, folder: Path, config: EvaluationConfig) -> Iterator[Scenario]:
    n, seed = config.instances, config.seed
    match name:
        case "sms_spam":
            messages = [(row.text, row.label) for row in datasets.read_sms_spam(folder / name)]
            yield scenarios.classification(name, {}, messages, ("ham", "spam"), n=n, seed=seed)
        case "raft":
            for task in config.raft_tasks:
                read = datasets.read_raft(folder / name, task)
                texts = [(row.text, row.label) for row in read.rows]
                arguments = {"subset": task}
                yield scenarios.classification(name, arguments, texts, read.labels, n=n, seed=seed)
        case "wikitext2":
            paragraphs = datasets.read_wikitext(folder / name)
            yield scenarios.language_modelling(name, paragraphs, n, seed)
        case "factbook":
            countries = datasets.read_factbook(folder / name)
            capitals = [(country.name, country.capital) for country in countries]
            money = [(country.name, country.currency) for country in countries if country.currency]
            yield scenarios.capitals(capitals, n, seed, separate=False)
            yield scenarios.capitals(capitals, n, seed, separate=True)
            yield scenarios.currencies(money, n, seed)


def _documents(
    scenario: Scenario,
    model: str,
    answers: Sequence[Answered],
    seconds: Callable[[Ask], float | None],
) -> dict[str, Any]:
    spec = run_spec(scenario, model)
    states = [request_state(one, scenario, model, seconds) for one in answers]
    return {
        "run_spec": spec,
        "scenario": {"name": scenario.name, "description": "", "tags": []},
        "scenario_state": {"adapter_spec": spec["adapter_spec"], "request_states": states},
        "per_instance_stats": per_instance_stats(answers, scenario, seconds),
        "corpus_stats": corpus_stats(answers, scenario),
    }


def _seconds(
    weights: str, scenario: Scenario, answers: Sequence[Answered]
) -> Callable[[Ask], float | None]:
    """What each request took when it was really asked, in whatever run that was."""
    adaptation = scenario.adaptation
    sampling = Sampling(max_tokens=adaptation.max_tokens, stop=adaptation.stop)

    def request(ask: Ask) -> tuple[str, str, str]:
        made = (
            generation(ask.prompt, sampling)
            if ask.continuation is None
            else scoring(ask.prompt, ask.continuation)
        )
        return made.kind, made.prompt, made.parameters

    names = ("kind", "prompt", "parameters")
    keys = [dict(zip(names, request(one.ask), strict=True)) for one in answers]
    lake = Lake(lake_url())
    wanted = pa.Table.from_pylist([key | {"weights_sha256": weights} for key in keys])
    found = matching(lake, lake.commits(LmRequests.table), wanted)
    known = {
        (row["kind"], row["prompt"], row["parameters"]): row["seconds"]
        for row in found.select([*names, "seconds"]).to_pylist()
    }
    return lambda ask: known.get(request(ask))


def _rows(
    documents: TableRef, table: str, kind: str, read: Callable[[Any], Iterable[object]]
) -> pa.Table:
    """The rows that the reader of a kind of file finds in the documents of that kind."""
    fields = {
        "helm_runs": rows.RUN_FIELDS,
        "helm_stats": rows.STAT_FIELDS,
        "helm_instance_stats": rows.INSTANCE_STAT_FIELDS,
        "helm_predictions": rows.PREDICTION_FIELDS,
    }[table]
    found = []
    for document in documents.read().to_pylist():
        if document["kind"] == kind:
            shared = {"suite": document["suite"], "run": document["run"]}
            shared["source"] = f"{document['run']}/{kind}.json"
            for row in read(orjson.loads(document["content"])):
                assert isinstance(row, tuple)
                found.append(shared | dict(zip(fields, row, strict=True)))
    return pa.Table.from_pylist(found, schema=CONTRACTS[table].arrow_schema())


def _recomputed(instance_stats: TableRef) -> pa.Table:
    columns = pa.table(
        {"metric": pa.array([], pa.string()), "lower_is_better": pa.array([], pa.bool_())}
    )
    return run_sql(
        sql("helm_recomputed.sql"),
        {
            "helm_instance_stats": instance_stats,
            "helm_columns": columns,
            "calibration": calibration_of(instance_stats, told=set()),
        },
    )


def _model_name(listed: dict[str, Any]) -> str:
    """The model's name; with its back end where that is not the usual one."""
    name, backend = str(listed["name"]), str(listed["backend"])
    return name if backend == "transformers" else f"{name} ({backend})"
