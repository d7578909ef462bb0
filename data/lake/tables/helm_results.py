"""Tables of HELM's aggregation: what is made of the runs that `helm` tells of."""

from data.lake.contract import Contract
from data.lake.contract import column as field  # a column named "column" follows

_SUITE = "suite of runs the row belongs to"
_RUN = "name of the run's folder, or <task>:model=<model> for other harnesses"
_PERTURBATION = "name of the perturbation; null for the unperturbed inputs"
_GROUP = "group of scenarios, in HELM's sense"
_TABLE = "table within the group: a metric family or a scenario"


class HelmColumns(
    Contract,
    table="helm_columns",
    unique=("suite", "group", "table_name", "position"),
    partition=("suite",),
):
    """Columns of every result table: which stats each shows. Comes from the schema."""

    suite: str = field("suite the tables are of")
    group: str = field(_GROUP)
    table_name: str = field(_TABLE)
    table_title: str = field("title of the table")
    table_position: int = field("order of the tables of a group", ge=0)
    strategies: list[str] = field("how rows are summed up: win_rate, mean, both or neither")
    position: int = field("order of the columns", ge=0)
    column: str = field("heading of the column")
    run_group: str = field("group whose runs the column shows")
    metric: str = field("metric it shows")
    split: str = field("split it shows; __all__ for every one")
    sub_split: str | None = field("part of the split; null for all of them together")
    perturbation: str | None = field("worst case over this perturbation or family; null for none")
    lower_is_better: bool | None = field("direction of the metric; null when it has none")


class HelmRows(Contract, table="helm_rows", partition=("suite",)):
    """Rows of every result table and the runs behind them, one twice where HELM has it so."""

    suite: str = field("suite the tables are of")
    group: str = field(_GROUP)
    table_name: str = field(_TABLE)
    position: int = field("order of the rows", ge=0)
    row: str = field("label: the model, and in brackets what tells its rows apart")
    model: str = field("name of the model")
    run: str | None = field("a run behind the row; null for a row without any")
    run_groups: list[str] = field("groups of that run")


class HelmCells(
    Contract,
    table="helm_cells",
    unique=("suite", "group", "table_name", "row_position", "column_position"),
    partition=("suite",),
):
    """One cell per scenario, metric and method: what was scored, made comparable."""

    suite: str = field("suite the cells belong to; headwater for the systems' own scores")
    group: str = field("group of scenarios, in HELM's sense")
    table_name: str = field("metric family: accuracy, calibration, efficiency; or a scenario")
    table_title: str = field("title of the table in a report")
    row: str = field("method or model")
    column: str = field("scenario and metric, as in 'weather t+24: mse'")
    lower_is_better: bool | None = field("direction of the metric; null when it has none")
    value: float | None = field("mean over seeds and trials; null where nothing was measured")
    low: float | None = field(
        "lower end of its 95 % interval over instances drawn within each run and trial: the "
        "bootstrap's, by its variance; null where the value is no mean over instances"
    )
    high: float | None = field("upper end of the interval")
    trials: int = field("number of scores behind the value", ge=0)
    weighted: float | None = field("mean over instances instead of over runs and trials")
    instances: int | None = field("instances behind it; null where they are not known", ge=0)
    runs: list[str] = field("runs behind the value")
    reason: str | None = field("why there is no value")
    row_position: int = field("order of the rows of a table", ge=0)
    column_position: int = field("order of its columns", ge=0)
    run_group: str = field("group of the column's runs")
    metric: str = field("metric of the column")
    perturbation: str | None = field(_PERTURBATION)
    strategies: list[str] = field("how the rows of the table are summed up: win_rate, mean")


class HelmWinRates(
    Contract,
    table="helm_win_rates",
    unique=("suite", "group", "table_name", "row_position"),
    partition=("suite",),
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
    mean_score: float | None = field(
        "plain mean of the row's cells; null where columns disagree on their direction"
    )
    row_position: int = field("order of the rows of the table", ge=0)


class HelmComparisons(
    Contract,
    table="helm_comparisons",
    unique=("suite", "group", "table_name", "row", "other"),
    partition=("suite",),
):
    """Paired tests of every two methods of a table over the columns that both have."""

    suite: str = field("suite the methods belong to")
    group: str = field("group of scenarios")
    table_name: str = field("metric family")
    row: str = field("the method with the higher mean win rate, or the first by name")
    other: str = field("the method it is compared with")
    n_columns: int = field("columns in which both have a value", ge=0)
    wins: int = field("columns in which `row` is better", ge=0)
    losses: int = field("columns in which `other` is better", ge=0)
    difference: float | None = field("mean difference of their win rates, `row` minus `other`")
    low: float | None = field("lower end of its 95 % paired bootstrap interval over columns")
    high: float | None = field("upper end of the interval")
    p_value: float | None = field(
        "two-sided sign-flip permutation test that they are alike", ge=0, le=1
    )
    separable: bool = field("p below 0.05 after Holm's correction within the table")


class HelmTieGroups(
    Contract,
    table="helm_tie_groups",
    unique=("suite", "group", "table_name", "row"),
    partition=("suite",),
):
    """Rows of a table in groups that a paired test over columns does not tell apart."""

    suite: str = field("suite the methods belong to")
    group: str = field("group of scenarios")
    table_name: str = field("metric family")
    row: str = field("method or model")
    tie_group: int = field("1 for the best row and those like it, then the next", ge=1)


class HelmRecomputed(Contract, table="helm_recomputed", partition=("suite",)):
    """Stats derived anew from the instances, by HELM's rules and beyond them."""

    suite: str = field(_SUITE)
    run: str = field(_RUN)
    metric: str = field("name of the metric")
    split: str | None = field("split of the instances")
    sub_split: str | None = field("part of the split")
    perturbation: str | None = field(_PERTURBATION)
    computed_on: str | None = field("original, perturbed or worst; null without a perturbation")
    perturbation_json: str | None = field("the whole perturbation as canonical JSON")
    count: int = field("number of trials", ge=0)
    sum: float = field("sum of the trials' means")
    sum_squared: float = field("sum of their squares")
    min: float | None = field("smallest trial")
    max: float | None = field("largest trial")
    mean: float | None = field("mean of the trials")
    instances: int = field("values behind all trials", ge=0)
    total: float = field("sum over them")
    variance: float | None = field(
        "variance of `sum` when instances are drawn anew within each trial; null for what is no "
        "mean over instances",
        ge=0,
    )
    smallest: float | None = field("sum over trials of the smallest instance")
    largest: float | None = field("sum over trials of the largest instance")


class HelmCosts(Contract, table="helm_costs", unique=("suite", "model"), partition=("suite",)):
    """What a model's runs used: requests, tokens and seconds."""

    suite: str = field("suite the runs belong to")
    model: str = field("name of the model")
    runs: int = field("runs", ge=0)
    requests: int = field("instances times trials over all of them", ge=0)
    prompt_tokens: float = field("tokens of all prompts", unit="tokens", ge=0)
    completion_tokens: float = field("tokens of all completions", unit="tokens", ge=0)
    seconds: float | None = field("time of all requests", unit="s", ge=0)


class HelmCoverage(
    Contract, table="helm_coverage", unique=("suite", "family", "model"), partition=("suite",)
):
    """How many of the scenario x metric cells of a family were measured, model by model."""

    suite: str = field("suite the cells belong to")
    family: str = field("metric family")
    model: str = field("name of the model")
    cells: int = field("scenarios for which the family is defined", ge=0)
    measured: int = field("those of them with a value", ge=0)
    share: float = field("measured / cells", ge=0, le=1)
