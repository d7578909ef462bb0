"""HELM's JSON as plain rows: runs, stats, per-instance stats, predictions.

Every reader takes the value of one file (or an iterator over the array in it) and yields rows as
tuples in the order of the FIELDS beside it; an entry that has not HELM's form is yielded as
`Unusable` in its place. Keys that old releases lack are absent from many files: all but the name
of a metric and its numbers may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import orjson

from models.helm.form import (
    LARGEST,
    FormError,
    a_count,
    a_flag,
    a_list,
    a_number,
    a_number_or_none,
    a_text,
    a_text_or_none,
    an_object,
    as_json,
    canonical,
)

Row = tuple[Any, ...]

RUN_FIELDS = (
    "format", "spec_name", "scenario_class", "scenario_args", "method", "model", "model_deployment",
    "adapter", "groups", "metrics", "perturbations", "max_train_instances", "num_train_trials",
    "temperature",
)  # fmt: skip
STAT_FIELDS = (
    "metric", "split", "sub_split", "perturbation", "robustness", "fairness", "computed_on",
    "perturbation_json", "count", "sum", "sum_squared", "min", "max", "mean",
)  # fmt: skip
INSTANCE_STAT_FIELDS = ("instance_id", "trial", *STAT_FIELDS[:8], *STAT_FIELDS[8:13])
PREDICTION_FIELDS = (
    "instance_id", "trial", "split", "sub_split", "perturbation", "perturbation_json",
    "reference_index", "request_mode", "input", "prompt", "prediction", "mapped_output",
    "references", "correct", "logprob", "success", "error", "request_seconds",
    "output_tokens", "finish",
)  # fmt: skip

_UNPERTURBED: Row = (None, False, False, None, None)
_NUMBERS = (int, float)
_MAYBE_TEXT = (str, type(None))
_USUAL = frozenset(
    product(
        (str,), _MAYBE_TEXT, _MAYBE_TEXT, (int,), _NUMBERS, _NUMBERS,
        (*_NUMBERS, type(None)), (*_NUMBERS, type(None)),
    )
)  # fmt: skip
_NEITHER = {"robustness": False, "fairness": False}


class Unusable(NamedTuple):
    """An entry that cannot become a row: which of its file, and why."""

    number: int
    reason: str


def run_row(spec: object) -> Row:
    """The row of a run_spec.json. Raises ValueError when it is no run spec.

    Before November 2023 runs had no deployment: the model's name is it, as HELM itself reads them.
    """
    top = an_object(spec, "run_spec.json")
    scenario = an_object(top.get("scenario_spec", top.get("scenario", {})), "scenario_spec")
    adapter = an_object(top.get("adapter_spec", {}), "adapter_spec")
    augmenter = an_object(top.get("data_augmenter_spec", {}), "data_augmenter_spec")
    model = a_text(adapter.get("model", adapter.get("model_deployment", "")), "model")
    groups = a_list(top.get("groups", []), "groups")
    return (
        "helm",
        a_text(top.get("name"), "name"),
        a_text(scenario.get("class_name", ""), "class_name"),
        as_json(an_object(scenario.get("args", {}), "scenario args")),
        a_text(adapter.get("method", ""), "method"),
        model,
        a_text(adapter.get("model_deployment", model), "model_deployment"),
        canonical(adapter),
        [a_text(group, "group") for group in groups],
        canonical(a_list(top.get("metric_specs", top.get("metrics", [])), "metric_specs")),
        canonical(a_list(augmenter.get("perturbation_specs", []), "perturbation_specs")),
        a_count(adapter.get("max_train_instances", 0), "max_train_instances"),
        a_count(adapter.get("num_train_trials", 1), "num_train_trials"),
        a_number(adapter.get("temperature", 0.0), "temperature"),
    )


def stat_rows(stats: Iterable[object]) -> Iterator[Row | Unusable]:
    """Rows of the array in a stats.json."""
    described = Perturbations()
    for index, entry in enumerate(stats):
        try:
            stat = an_object(entry, "a stat")
            row = _stat(stat, described)
            mean = stat.get("mean")
            if mean is None and row[8]:
                mean = row[9] / row[8]
            yield (*row, mean if type(mean) is float else a_number_or_none(mean, "mean"))
        except FormError as error:
            yield Unusable(index, str(error))


def instance_stat_rows(entries: Iterable[object]) -> Iterator[Row | Unusable]:
    """Rows of the array in a per_instance_stats.json, a row a metric."""
    described = Perturbations()
    for index, entry in enumerate(entries):
        try:
            whole = an_object(entry, "an entry")
            key = (
                a_text(whole.get("instance_id"), "instance_id"),
                a_count(whole.get("train_trial_index", 0), "train_trial_index"),
            )
            stats = a_list(whole.get("stats"), "stats")
            rows = [key + _stat(an_object(stat, "a stat"), described) for stat in stats]
        except FormError as error:
            yield Unusable(index, str(error))
        else:
            yield from rows


def prediction_rows(states: Iterable[object]) -> Iterator[Row | Unusable]:
    """Rows of the array request_states in a scenario_state.json."""
    described = Perturbations()
    for index, entry in enumerate(states):
        try:
            yield _prediction(an_object(entry, "a request state"), described)
        except FormError as error:
            yield Unusable(index, str(error))


class Perturbations:
    """Descriptions of perturbations as (name, robustness, fairness, computed_on, JSON), by JSON."""

    def __init__(self) -> None:
        self._known: dict[bytes, Row] = {}

    def describe(self, value: object) -> Row:
        if value is None:
            return _UNPERTURBED
        try:
            key = orjson.dumps(value)
        except orjson.JSONEncodeError as error:
            raise FormError(f"a perturbation that is no plain object ({error})") from error
        if key not in self._known:
            named = an_object(value, "perturbation")
            self._known[key] = (
                a_text(named.get("name"), "name of a perturbation"),
                a_flag(named.get("robustness", False), "robustness"),
                a_flag(named.get("fairness", False), "fairness"),
                a_text(named.get("computed_on", "perturbed"), "computed_on"),
                canonical({"computed_on": "perturbed", **_NEITHER, **named}),
            )
        return self._known[key]


def _stat(stat: Mapping[str, Any], described: Perturbations) -> Row:
    """(metric ... perturbation_json, count, sum, sum_squared, min, max)."""
    get = stat.get
    name = get("name")
    if type(name) is dict:
        named = name.get
        metric: Any = named("name")
        split: Any = named("split")
        part: Any = named("sub_split")
        count: Any = get("count")
        total, squares = get("sum", 0), get("sum_squared", 0)
        low, high = get("min"), get("max")
        kinds = (
            type(metric), type(split), type(part), type(count), type(total), type(squares),
            type(low), type(high),
        )  # fmt: skip
        # Nearly every stat passes here: a suite has millions of them, and calls take the time.
        if (
            kinds in _USUAL
            and 0 <= count < LARGEST
            and -LARGEST < total < LARGEST
            and -LARGEST < squares < LARGEST
            and (low is None or -LARGEST < low < LARGEST)
            and (high is None or -LARGEST < high < LARGEST)
            and metric.isascii()
            and (split is None or split.isascii())
            and (part is None or part.isascii())
        ):
            perturbation = named("perturbation")
            if perturbation is None:
                return (metric, split, part, *_UNPERTURBED, count, total, squares, low, high)
            shown = described.describe(perturbation)
            return (metric, split, part, *shown, count, total, squares, low, high)
    return _checked_stat(stat, described)


def _checked_stat(stat: Mapping[str, Any], described: Perturbations) -> Row:
    """The same, with a reason where it is no stat."""
    name = an_object(stat.get("name"), "name of a stat")
    return (
        a_text(name.get("name"), "name of a metric"),
        a_text_or_none(name.get("split"), "split"),
        a_text_or_none(name.get("sub_split"), "sub_split"),
        *described.describe(name.get("perturbation")),
        a_count(stat.get("count"), "count"),
        a_number(stat.get("sum", 0), "sum"),
        a_number(stat.get("sum_squared", 0), "sum_squared"),
        a_number_or_none(stat.get("min"), "min"),
        a_number_or_none(stat.get("max"), "max"),
    )


def _prediction(state: Mapping[str, Any], described: Perturbations) -> Row:
    instance = an_object(state.get("instance"), "instance")
    request = an_object(state.get("request", {}), "request")
    result = an_object(state.get("result", {}), "result")
    references = [
        an_object(reference, "a reference")
        for reference in a_list(instance.get("references", []), "references")
    ]
    answers = [_output(reference.get("output")) for reference in references]
    tags = [a_list(reference.get("tags", []), "tags") for reference in references]
    completion = _top_completion(a_list(result.get("completions", []), "completions"))
    mapping = an_object(state.get("output_mapping", {}), "output_mapping")
    text = a_text_or_none(completion.get("text"), "text")
    mapped = None
    if mapping and text is not None:
        mapped = a_text(mapping.get(text.strip(), text), "output_mapping")
    perturbation = described.describe(instance.get("perturbation"))
    finish = an_object(completion.get("finish_reason", {}), "finish_reason").get("reason")
    index = state.get("reference_index")
    return (
        a_text(instance.get("id", ""), "id"),
        a_count(state.get("train_trial_index", 0), "train_trial_index"),
        a_text_or_none(instance.get("split"), "split"),
        a_text_or_none(instance.get("sub_split"), "sub_split"),
        perturbation[0],
        perturbation[4],
        None if index is None else a_count(index, "reference_index"),
        a_text_or_none(state.get("request_mode"), "request_mode"),
        a_text(an_object(instance.get("input", {}), "input").get("text", ""), "text"),
        _prompt(request),
        text,
        mapped,
        answers,
        [answer for answer, tag in zip(answers, tags, strict=True) if "correct" in tag],
        a_number_or_none(completion.get("logprob"), "logprob"),
        a_flag(result.get("success", True), "success"),
        a_text_or_none(result.get("error"), "error"),
        a_number_or_none(result.get("request_time"), "request_time"),
        len(a_list(completion.get("tokens", []), "tokens")),
        a_text_or_none(finish, "finish_reason"),
    )


def _prompt(request: Mapping[str, Any]) -> str:
    """The prompt; of a chat request without one its messages, as JSON."""
    prompt = a_text(request.get("prompt", ""), "prompt")
    return canonical(request["messages"]) if not prompt and request.get("messages") else prompt


def _output(value: object) -> str:
    """A reference's text; before 2022-11 it was the text itself."""
    if type(value) is str:
        return value
    return a_text(an_object(value, "output").get("text", ""), "text")


def _top_completion(completions: Sequence[object]) -> Mapping[str, Any]:
    """The likeliest of several, which HELM scores; the first where they are equally likely."""
    found = [an_object(completion, "a completion") for completion in completions]
    if not found:
        return {}
    return max(found, key=lambda c: a_number(c.get("logprob", 0.0), "logprob"))


Reader = Callable[[Iterable[object]], Iterator[Row | Unusable]]
