"""Tables of HELM's results as they are read; `helm_results` are those made of them."""

from data.lake.contract import Contract
from data.lake.contract import column as field

_SUITE = "suite of runs the row belongs to"
_RUN = "name of the run's folder, or <task>:model=<model> for other harnesses"
_SOURCE = "file the row was read from, relative to the folder that was given"
_PERTURBATION = "name of the perturbation; null for the unperturbed inputs"


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
