"""HELM: what was scored anywhere, compared in one table of win rates.

extraction_scores -+
tart_scores       -+-> helm_cells -> helm_win_rates
forecast_scores   -+
"""

from pydantic import BaseModel

from data.lake import Lake, LakeError, TableRef
from tasks.helm import helm_cells, helm_win_rates
from tasks.pipeline import pipeline
from tasks.settings import lake_url


class HelmConfig(BaseModel, frozen=True, extra="forbid"):
    """Aggregation of the latest scores in the lake; nothing to set."""


PROFILES = {name: HelmConfig() for name in ("quick", "standard", "paper")}


@pipeline("helm")
def helm(config: HelmConfig = PROFILES["quick"]) -> TableRef:
    """Aggregates the latest scores of every system that has been run."""
    return aggregate(*(_latest(n) for n in ("extraction_scores", "tart_scores", "forecast_scores")))


def aggregate(extraction: TableRef, tart: TableRef, forecasts: TableRef) -> TableRef:
    """Cells and win rates over these scores."""
    cells = helm_cells(extraction, tart, forecasts)
    return helm_win_rates(cells)


def _latest(table: str) -> TableRef:
    lake = Lake(lake_url())
    commits = lake.commits(table)
    if not commits:
        raise LakeError(f"table {table} has no snapshot yet: run the flow that scores it first")
    return lake.reference(commits[-1])
