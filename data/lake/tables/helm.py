"""Tables of HELM-style aggregation."""

from data.lake.contract import Contract
from data.lake.contract import column as field  # a column named "column" follows


class HelmCells(
    Contract, table="helm_cells", unique=("suite", "group", "table_name", "row", "column")
):
    """One cell per scenario, metric and method: what was scored, made comparable."""

    suite: str = field("suite the cells belong to")
    group: str = field("group of scenarios, in HELM's sense")
    table_name: str = field("metric family: accuracy, calibration, efficiency")
    table_title: str = field("title of the table in a report")
    row: str = field("method or model")
    column: str = field("scenario and metric, as in 'weather t+24: mse'")
    lower_is_better: bool = field("direction of the metric")
    value: float | None = field("mean over seeds and trials; null where nothing was measured")
    trials: int = field("number of scores behind the value", ge=0)


class HelmWinRates(
    Contract, table="helm_win_rates", unique=("suite", "group", "table_name", "row")
):
    """Mean win rate of every method within its group: ties count half."""

    suite: str = field("suite the rates belong to")
    group: str = field("group of scenarios")
    table_name: str = field("metric family")
    row: str = field("method or model")
    mean_win_rate: float | None = field(
        "mean over columns of the share of other rows beaten", ge=0, le=1
    )
    low: float | None = field("lower end of the 95 % bootstrap interval over columns", ge=0, le=1)
    high: float | None = field("upper end of the interval", ge=0, le=1)
    n_columns: int = field("columns in which the row has a value and a rival", ge=0)
