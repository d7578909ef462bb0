"""Steps of HELM-style aggregation: scores of any system become cells, cells become win rates.

The statements are the .sql files beside this module.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from data.lake import TableRef
from data.lake.catalog import run_sql
from tasks.produces import produces


@produces("helm_cells", version=1)
def helm_cells(
    extraction_scores: TableRef, tart_scores: TableRef, forecast_scores: TableRef
) -> pa.Table:
    """Scenario x metric x method cells over everything scored."""
    return run_sql(
        _statement("helm_cells.sql"),
        {
            "extraction_scores": extraction_scores,
            "tart_scores": tart_scores,
            "forecast_scores": forecast_scores,
        },
    )


@produces("helm_win_rates", version=1)
def helm_win_rates(helm_cells: TableRef) -> pa.Table:
    """Mean win rate of every method in its group, with an interval over columns."""
    return run_sql(_statement("helm_win_rates.sql"), {"helm_cells": helm_cells})


def _statement(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")
