"""HELM's JSON as plain rows: runs, stats, per-instance stats, predictions.

Every reader takes the value of one file (or an iterator over the array in it) and yields rows as
tuples in the order of the FIELDS beside it; an entry that has not HELM's form is yielded as
`Unusable` in its place. Keys that old releases lack are absent from many files: all but the name
of a metric and its numbers may be missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import orjson

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
_LARGEST = 1 << 53  # counts beyond it are no counts, and floats no longer tell them apart


class Unusable(NamedTuple):
    """An entry that cannot become a row: which of its file, and why."""

    number: int
    reason: str


class FormError(ValueError):
    """An entry without HELM's form."""


def run_row(spec: object) -> Row:
    """The row of a run_spec.json. Raises ValueError when it is no run spec.

    Before November 2023 runs had no deployment: the model's name is it, as HELM itself reads them.
    """
    top = _object(spec, "run_spec.json")
    scenario = _object(top.get("scenario_spec", top.get("scenario", {})), "scenario_spec")
    adapter = _object(top.get("adapter_spec", {}), "adapter_spec")
    augmenter = _object(top.get("data_augmenter_spec", {}), "data_augmenter_spec")
    model = _text(adapter.get("model", adapter.get("model_deployment", "")), "model")
    groups = _list(top.get("groups", []), "groups")
    return (
        "helm",
        _text(top.get("name"), "name"),
        _text(scenario.get("class_name", ""), "class_name"),
        _json(_object(scenario.get("args", {}), "scenario args")),
        _text(adapter.get("method", ""), "method"),
        model,
        _text(adapter.get("model_deployment", model), "model_deployment"),
        canonical(adapter),
        [_text(group, "group") for group in groups],
        canonical(_list(top.get("metric_specs", top.get("metrics", [])), "metric_specs")),
        canonical(_list(augmenter.get("perturbation_specs", []), "perturbation_specs")),
        _count(adapter.get("max_train_instances", 0), "max_train_instances"),
        _count(adapter.get("num_train_trials", 1), "num_train_trials"),
        _number(adapter.get("temperature", 0.0), "temperature"),
    )


def stat_rows(stats: Iterable[object]) -> Iterator[Row | Unusable]:
    """Rows of the array in a stats.json."""
    described = _Perturbations()
    for index, entry in enumerate(stats):
        try:
            stat = _object(entry, "a stat")
            row = _stat(stat, described)
            mean = stat.get("mean")
            if mean is None and row[8]:
                mean = row[9] / row[8]
            yield (*row, mean if type(mean) is float else _number_or_none(mean, "mean"))
        except FormError as error:
            yield Unusable(index, str(error))


def instance_stat_rows(entries: Iterable[object]) -> Iterator[Row | Unusable]:
    """Rows of the array in a per_instance_stats.json, a row a metric."""
    described = _Perturbations()
    for index, entry in enumerate(entries):
        try:
            whole = _object(entry, "an entry")
            key = (
                _text(whole.get("instance_id"), "instance_id"),
                _count(whole.get("train_trial_index", 0), "train_trial_index"),
            )
            stats = _list(whole.get("stats"), "stats")
            rows = [key + _stat(_object(stat, "a stat"), described) for stat in stats]
        except FormError as error:
            yield Unusable(index, str(error))
        else:
            yield from rows


def prediction_rows(states: Iterable[object]) -> Iterator[Row | Unusable]:
    """Rows of the array request_states in a scenario_state.json."""
    described = _Perturbations()
    for index, entry in enumerate(states):
        try:
            yield _prediction(_object(entry, "a request state"), described)
        except FormError as error:
            yield Unusable(index, str(error))


class _Perturbations:
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
            named = _object(value, "perturbation")
            self._known[key] = (
                _text(named.get("name"), "name of a perturbation"),
                _flag(named.get("robustness", False), "robustness"),
                _flag(named.get("fairness", False), "fairness"),
                _text(named.get("computed_on", "perturbed"), "computed_on"),
                canonical({"computed_on": "perturbed", **_NEITHER, **named}),
            )
        return self._known[key]


def canonical(value: object) -> str:
    """JSON text that is the same for the same value, whatever the order of its keys.

    Raises ValueError for integers beyond 64 bits and for text that is no Unicode.
    """
    return _json(value, orjson.OPT_SORT_KEYS)


def _json(value: object, option: int | None = None) -> str:
    try:
        return orjson.dumps(value, option=option).decode()
    except orjson.JSONEncodeError as error:
        raise FormError(f"a value that no JSON writer takes ({error})") from error


def _stat(stat: Mapping[str, Any], described: _Perturbations) -> Row:
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
            and 0 <= count < _LARGEST
            and -_LARGEST < total < _LARGEST
            and -_LARGEST < squares < _LARGEST
            and (low is None or -_LARGEST < low < _LARGEST)
            and (high is None or -_LARGEST < high < _LARGEST)
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


def _checked_stat(stat: Mapping[str, Any], described: _Perturbations) -> Row:
    """The same, with a reason where it is no stat."""
    name = _object(stat.get("name"), "name of a stat")
    return (
        _text(name.get("name"), "name of a metric"),
        _text_or_none(name.get("split"), "split"),
        _text_or_none(name.get("sub_split"), "sub_split"),
        *described.describe(name.get("perturbation")),
        _count(stat.get("count"), "count"),
        _number(stat.get("sum", 0), "sum"),
        _number(stat.get("sum_squared", 0), "sum_squared"),
        _number_or_none(stat.get("min"), "min"),
        _number_or_none(stat.get("max"), "max"),
    )


def _prediction(state: Mapping[str, Any], described: _Perturbations) -> Row:
    instance = _object(state.get("instance"), "instance")
    request = _object(state.get("request", {}), "request")
    result = _object(state.get("result", {}), "result")
    references = [
        _object(reference, "a reference")
        for reference in _list(instance.get("references", []), "references")
    ]
    answers = [_output(reference.get("output")) for reference in references]
    tags = [_list(reference.get("tags", []), "tags") for reference in references]
    completion = _top_completion(_list(result.get("completions", []), "completions"))
    mapping = _object(state.get("output_mapping", {}), "output_mapping")
    text = _text_or_none(completion.get("text"), "text")
    mapped = None
    if mapping and text is not None:
        mapped = _text(mapping.get(text.strip(), text), "output_mapping")
    perturbation = described.describe(instance.get("perturbation"))
    finish = _object(completion.get("finish_reason", {}), "finish_reason").get("reason")
    index = state.get("reference_index")
    return (
        _text(instance.get("id", ""), "id"),
        _count(state.get("train_trial_index", 0), "train_trial_index"),
        _text_or_none(instance.get("split"), "split"),
        _text_or_none(instance.get("sub_split"), "sub_split"),
        perturbation[0],
        perturbation[4],
        None if index is None else _count(index, "reference_index"),
        _text_or_none(state.get("request_mode"), "request_mode"),
        _text(_object(instance.get("input", {}), "input").get("text", ""), "text"),
        _prompt(request),
        text,
        mapped,
        answers,
        [answer for answer, tag in zip(answers, tags, strict=True) if "correct" in tag],
        _number_or_none(completion.get("logprob"), "logprob"),
        _flag(result.get("success", True), "success"),
        _text_or_none(result.get("error"), "error"),
        _number_or_none(result.get("request_time"), "request_time"),
        len(_list(completion.get("tokens", []), "tokens")),
        _text_or_none(finish, "finish_reason"),
    )


def _prompt(request: Mapping[str, Any]) -> str:
    """The prompt; of a chat request without one its messages, as JSON."""
    prompt = _text(request.get("prompt", ""), "prompt")
    return canonical(request["messages"]) if not prompt and request.get("messages") else prompt


def _output(value: object) -> str:
    """A reference's text; before 2022-11 it was the text itself."""
    return value if type(value) is str else _text(_object(value, "output").get("text", ""), "text")


def _top_completion(completions: Sequence[object]) -> Mapping[str, Any]:
    """The likeliest of several, which HELM scores; the first where they are equally likely."""
    found = [_object(completion, "a completion") for completion in completions]
    if not found:
        return {}
    return max(found, key=lambda c: _number(c.get("logprob", 0.0), "logprob"))


def _object(value: object, what: str) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise FormError(_wrong(what, "an object", value))
    return value


def _list(value: object, what: str) -> list[Any]:
    if type(value) is not list:
        raise FormError(_wrong(what, "an array", value))
    return value


def _text(value: object, what: str) -> str:
    if type(value) is not str:
        raise FormError(_wrong(what, "text", value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise FormError(f"{what}: half a surrogate pair, which is no Unicode text") from error
    return value


def _text_or_none(value: object, what: str) -> str | None:
    return None if value is None else _text(value, what)


def _count(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise FormError(_wrong(what, "a whole number from 0 on", value))
    return value


def _flag(value: object, what: str) -> bool:
    if type(value) is not bool:
        raise FormError(_wrong(what, "true or false", value))
    return value


def _number(value: object, what: str) -> float:
    if type(value) is float or type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise FormError(_wrong(what, "a finite number", value))


def _number_or_none(value: object, what: str) -> float | None:
    return None if value is None else _number(value, what)


def _wrong(what: str, wanted: str, value: object) -> str:
    if value is None:
        return f"{what} is missing: {wanted} is needed"
    shown = repr(value)[:40].encode("utf-8", "replace").decode()
    return f"{what} should be {wanted}, is {shown}"


Reader = Callable[[Iterable[object]], Iterator[Row | Unusable]]
