"""Tables of HELM: what was read of results, how tables of them are laid out, cells, win rates."""

from data.lake.contract import Contract
from data.lake.contract import column as field  # a column named "column" follows

_SUITE = "suite of runs the row belongs to"
_RUN = "name of the run's folder, or <task>:model=<model> for other harnesses"
_SOURCE = "file the row was read from, relative to the folder that was given"
_PERTURBATION = "name of the perturbation; null for the unperturbed inputs"
_GROUP = "group of scenarios, in HELM's sense"
_TABLE = "table within the group: a metric family or a scenario"


class HelmFiles(Contract, table="helm_files", unique=("suite", "path"), partition=("suite",)):
    """Every result file of a suite with its hash: what a later ingest need not read again."""

    suite: str = field("suite the file belongs to")
    run: str = field("run the file belongs to; empty where it tells of several or of none")
    kind: str = field("what is in it: run_spec, stats, per_instance_stats, scenario_state, ...")
    folder: str = field("the folder that was given")
    path: str = field("the file, relative to that folder")
    bytes: int = field("its size", unit="bytes", ge=0)
    modified: int = field("when it was last written", unit="ns since 1970")
    sha256: str = field("hash of its content; empty when it could not be read")


class HelmDocuments(
    Contract, table="helm_documents", unique=("suite", "run", "kind"), partition=("suite",)
):
    """Our own evaluation as the files helm-run would have written, a row a file."""

    suite: str = field("suite of runs")
    run: str = field(_RUN)
    kind: str = field(
        "which file",
        isin=("run_spec", "scenario_state", "per_instance_stats", "corpus_stats", "scenario"),
    )
    content: str = field("its JSON")


class HelmRuns(Contract, table="helm_runs", unique=("suite", "run"), partition=("suite",)):
    """One run: a scenario, how it was put to a model, and which model."""

    suite: str = field(_SUITE)
    run: str = field(_RUN)
    format: str = field("who wrote it", isin=("helm", "lm-eval", "inspect"))
    spec_name: str = field("name in the run's specification")
    scenario_class: str = field("class of the scenario, or the task of another harness")
    scenario_args: str = field("its arguments as JSON, in the file's order")
    method: str = field("adaptation: generation, multiple_choice_joint, language_modeling, ...")
    model: str = field("name of the model")
    model_deployment: str = field("where it was asked; the model itself in runs before 2023-11")
    adapter: str = field("the whole adapter specification as canonical JSON")
    groups: list[str] = field("run groups it belongs to, in their order")
    metrics: str = field("metric specifications as canonical JSON")
    perturbations: str = field("perturbation specifications as canonical JSON")
    max_train_instances: int = field("few-shot examples k asked for", ge=0)
    num_train_trials: int = field("draws of the few-shot examples", ge=0)
    temperature: float = field("sampling temperature", ge=0)
    source: str = field(_SOURCE)


class HelmStats(Contract, table="helm_stats", partition=("suite",)):
    """Stats of a run as it wrote them: a value per metric, split and perturbation, over trials."""

    suite: str = field(_SUITE)
    run: str = field(_RUN)
    metric: str = field("name of the metric")
    split: str | None = field("split of the instances: train, valid, test")
    sub_split: str | None = field("part of the split, such as toxic prompts")
    perturbation: str | None = field(_PERTURBATION)
    robustness: bool = field("whether the perturbation counts towards robustness")
    fairness: bool = field("whether it counts towards fairness")
    computed_on: str | None = field("original, perturbed or worst; null without a perturbation")
    perturbation_json: str | None = field("the whole perturbation as canonical JSON")
    count: int = field("number of trials, not of instances", ge=0)
    sum: float = field("sum of the trials' means")
    sum_squared: float = field("sum of their squares")
    min: float | None = field("smallest trial")
    max: float | None = field("largest trial")
    mean: float | None = field("mean of the trials; null when there is none")
    source: str = field(_SOURCE)


class HelmInstanceStats(Contract, table="helm_instance_stats", partition=("suite",)):
    """Every metric of every instance, perturbation and trial."""

    suite: str = field(_SUITE)
    run: str = field(_RUN)
    instance_id: str = field("the instance within its scenario")
    trial: int = field("draw of the few-shot examples", ge=0)
    metric: str = field("name of the metric")
    split: str | None = field("split of the instance")
    sub_split: str | None = field("part of the split")
    perturbation: str | None = field(_PERTURBATION)
    robustness: bool = field("whether the perturbation counts towards robustness")
    fairness: bool = field("whether it counts towards fairness")
    computed_on: str | None = field("perturbed; null without a perturbation")
    perturbation_json: str | None = field("the whole perturbation as canonical JSON")
    count: int = field("values behind the stat: 1, or 0 where there was none", ge=0)
    sum: float = field("their sum")
    sum_squared: float = field("sum of their squares")
    min: float | None = field("smallest")
    max: float | None = field("largest")
    source: str = field(_SOURCE)


class HelmPredictions(Contract, table="helm_predictions", partition=("suite",)):
    """What a model was asked and what it answered, a row a request."""

    suite: str = field(_SUITE)
    run: str = field(_RUN)
    instance_id: str = field("the instance within its scenario")
    trial: int = field("draw of the few-shot examples", ge=0)
    split: str | None = field("split of the instance")
    sub_split: str | None = field("part of the split")
    perturbation: str | None = field(_PERTURBATION)
    perturbation_json: str | None = field("the whole perturbation as canonical JSON")
    reference_index: int | None = field("reference put to the model; null when it chose", ge=0)
    request_mode: str | None = field("original, or calibration with an empty question")
    input: str = field("the instance's own text")
    prompt: str = field("the whole prompt; chat messages as JSON")
    prediction: str | None = field("the likeliest completion; null when the request failed")
    mapped_output: str | None = field("the answer its letter stands for")
    references: list[str] = field("the answers offered, or the right ones")
    correct: list[str] = field("the right ones")
    logprob: float | None = field("log-probability of the completion", unit="nats")
    success: bool = field("false when the request failed")
    error: str | None = field("why it failed")
    request_seconds: float | None = field("wall time of the request", unit="s")
    output_tokens: int = field("tokens of the completion", unit="tokens", ge=0)
    finish: str | None = field("why the completion ended: stop, length, ...")
    source: str = field(_SOURCE)


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
