"""HELM: models evaluated holistically, anybody's results aggregated, all of it in tables of cells.

folder of results -> helm_files -> helm_runs, helm_stats, helm_instance_stats, helm_predictions
schema + helm_runs -> helm_columns, helm_rows
helm_instance_stats -> helm_recomputed
all of these -> helm_cells -> helm_win_rates, helm_tie_groups, helm_comparisons

extraction_scores, tart_scores, forecast_scores -> helm_cells -> helm_win_rates   (the lab's own)
"""

from pydantic import BaseModel

from data.lake import Lake, LakeError, TableRef
from flows.suites import aggregate_folder, tabulate
from models.helm.config import EvaluationConfig, SourceConfig, TablesConfig
from models.lm.config import DEFAULT_MODEL, ModelConfig, OffloadConfig
from tasks.helm import helm_win_rates, lab_cells, suite_schema
from tasks.helm_evaluation import (
    data_digest,
    evaluation_instance_stats,
    evaluation_predictions,
    evaluation_runs,
    evaluation_stats,
    helm_documents,
)
from tasks.lm import language_model
from tasks.pipeline import pipeline
from tasks.settings import lake_url

_SCORES = ("extraction_scores", "tart_scores", "forecast_scores")


class HelmConfig(BaseModel, frozen=True, extra="forbid"):
    """A folder of results to aggregate, or models to evaluate; with neither, the lab's scores."""

    source: SourceConfig = SourceConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tables: TablesConfig = TablesConfig()


# FlexGen's engine runs the requests; in this memory nothing has to be offloaded.
_ENGINE = ModelConfig(
    backend="offload", truncate="left", offload=OffloadConfig(memory_bytes=4 * 2**30)
)
_SMOLLM2 = _ENGINE.model_copy(update={"name": DEFAULT_MODEL})
_CONTROL = _ENGINE.model_copy(update={"name": f"random:{DEFAULT_MODEL}"})
PROFILES = {
    "quick": HelmConfig(evaluation=EvaluationConfig(models=(_SMOLLM2,), instances=3)),
    "standard": HelmConfig(evaluation=EvaluationConfig(models=(_SMOLLM2, _CONTROL), instances=16)),
    "paper": HelmConfig(evaluation=EvaluationConfig(models=(_SMOLLM2, _CONTROL), instances=1000)),
}


@pipeline("helm")
def helm(config: HelmConfig = PROFILES["quick"]) -> TableRef:
    """Aggregates a folder of results, or the latest scores of every system that has been run."""
    if config.source.folder:
        return aggregate_folder(config.source, config.tables)[-1]
    if config.evaluation.models:
        return evaluate(config.evaluation, config.tables)
    return aggregate(*(_latest(name) for name in _SCORES))


def aggregate(extraction: TableRef, tart: TableRef, forecasts: TableRef) -> TableRef:
    """Cells and win rates over these scores of our own systems."""
    cells = lab_cells(extraction, tart, forecasts)
    return helm_win_rates(cells, TablesConfig())


def evaluate(config: EvaluationConfig, tables: TablesConfig) -> TableRef:
    """Scenarios put to every model, and their results through the same tables as anybody's."""
    models = [language_model(model) for model in config.models]
    documents = helm_documents(models, config, data_digest(config))
    runs = evaluation_runs(documents)
    instance_stats = evaluation_instance_stats(documents)
    stats = evaluation_stats(documents, instance_stats)
    predictions = evaluation_predictions(documents)
    schema = suite_schema("", config.suite, "")
    return tabulate(runs, stats, instance_stats, predictions, schema=schema, config=tables)


def _latest(table: str) -> TableRef:
    lake = Lake(lake_url())
    commits = lake.commits(table)
    if not commits:
        raise LakeError(f"table {table} has no snapshot yet: run the flow that scores it first")
    return lake.reference(commits[-1])
