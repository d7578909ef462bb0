"""A scenario put to a model: requests, answers, and HELM's JSON of them.

What is made here are the objects that helm-run writes into a run's folder, so that the readers of
such folders (`rows`) turn our own evaluation into tables, and its files are HELM's files.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.helm.adapters import Ask, asks
from models.helm.instances import Scenario
from models.helm.metrics import answer_scores, bias, choice_scores, macro_f1, toxic
from models.lm.interface import Completion, LanguageModel, Sampling, Score
from models.progress import Progress, silent

Object = dict[str, Any]
SPLIT = "test"
Seconds = Callable[[Ask], float | None]
"""Wall time of a request [s]; None where it is not known."""


@dataclass(frozen=True)
class Answered:
    """A request with its answer."""

    ask: Ask
    text: str | None  # None: the continuation was scored, nothing was written
    logprobs: Sequence[float]
    prompt_tokens: int
    output_tokens: int
    finish: str

    @property
    def logprob(self) -> float:
        return sum(self.logprobs)


def answer(
    scenario: Scenario, model: LanguageModel, seed: int, progress: Progress = silent
) -> list[Answered]:
    """Asks everything a scenario has to ask; raises as the model does."""
    asked = asks(scenario, seed)
    if any(ask.continuation is not None for ask in asked):
        pairs = [(ask.prompt, ask.continuation or "") for ask in asked]
        scores = model.score(pairs, progress)
        return [_scored(ask, score) for ask, score in zip(asked, scores, strict=True)]
    adaptation = scenario.adaptation
    sampling = Sampling(max_tokens=adaptation.max_tokens, stop=adaptation.stop)
    written = model.generate([ask.prompt for ask in asked], sampling, progress)
    return [_completed(ask, completion) for ask, completion in zip(asked, written, strict=True)]


def run_name(scenario: Scenario, model: str) -> str:
    arguments = ",".join(f"{key}={value}" for key, value in scenario.arguments.items())
    name = f"{scenario.name}:{arguments + ',' if arguments else ''}model={model}"
    return name.replace("/", "_")


def run_spec(scenario: Scenario, model: str) -> Object:
    """run_spec.json."""
    adaptation = scenario.adaptation
    specified = {
        "method": adaptation.method,
        "instructions": adaptation.instructions,
        "input_prefix": adaptation.input_prefix,
        "input_suffix": adaptation.input_suffix,
        "output_prefix": adaptation.output_prefix,
        "output_suffix": adaptation.output_suffix,
        "max_train_instances": adaptation.max_train_instances,
        "max_eval_instances": len(scenario.test),
        "num_outputs": 1,
        "num_train_trials": 1,
        "model_deployment": model,
        "model": model,
        "temperature": 0.0,
        "max_tokens": adaptation.max_tokens,
        "stop_sequences": list(adaptation.stop),
    }
    return {
        "name": run_name(scenario, model),
        "scenario_spec": {
            "class_name": f"models.helm.scenarios.{scenario.name}",
            "args": dict(scenario.arguments),
        },
        "adapter_spec": specified,
        "metric_specs": [{"class_name": "models.helm.metrics", "args": {}}],
        "groups": list(scenario.groups),
    }


def request_state(answered: Answered, scenario: Scenario, model: str, seconds: Seconds) -> Object:
    """An element of request_states in scenario_state.json."""
    ask, instance = answered.ask, answered.ask.instance
    shown: Object = {
        "input": {"text": instance.text},
        "references": [
            {"output": {"text": ref.text}, "tags": ["correct"] if ref.correct else []}
            for ref in instance.references
        ],
        "split": SPLIT,
        "id": instance.id,
    }
    if instance.perturbation is not None:
        shown["perturbation"] = instance.perturbation.as_json()
        shown["contrast_inputs"] = [{"text": instance.original}]
    state: Object = {"instance": shown, "train_trial_index": 0}
    if ask.reference_index is not None:
        state |= {"reference_index": ask.reference_index, "request_mode": ask.request_mode}
    if ask.output_mapping is not None:
        state["output_mapping"] = dict(ask.output_mapping)
    text = ask.continuation if answered.text is None else answered.text
    completion = {
        "text": text,
        "logprob": answered.logprob,
        "tokens": [{"text": "", "logprob": logprob} for logprob in answered.logprobs],
        "finish_reason": {"reason": answered.finish},
    }
    result: Object = {
        "success": True,
        "embedding": [],
        "completions": [completion],
        "cached": False,
    }
    spent = seconds(ask)
    if spent is not None:
        result["request_time"] = spent
    prompt = ask.prompt + (ask.continuation or "")
    return state | {
        "request": {
            "model_deployment": model,
            "model": model,
            "prompt": prompt,
            "temperature": 0.0,
            "num_completions": 1,
            "max_tokens": 0 if ask.continuation else scenario.adaptation.max_tokens,
            "echo_prompt": ask.continuation is not None,
        },
        "result": result,
        "num_train_instances": len(scenario.train),
        "prompt_truncated": False,
        "num_conditioning_tokens": 0,
    }


def per_instance_stats(
    answers: Sequence[Answered], scenario: Scenario, seconds: Seconds
) -> list[Object]:
    """The array of per_instance_stats.json: an entry an instance and perturbation."""
    by_instance: dict[tuple[str, str], list[Answered]] = {}
    for one in answers:
        changed = one.ask.instance.perturbation
        by_instance.setdefault((one.ask.instance.id, changed.name if changed else ""), []).append(
            one
        )
    pace = _pace(answers, seconds)
    entries = []
    for group in by_instance.values():
        instance = group[0].ask.instance
        values = _values(group, scenario, seconds, pace)
        entry: Object = {"instance_id": instance.id, "train_trial_index": 0}
        changed = instance.perturbation
        if changed is not None:
            entry["perturbation"] = changed.as_json()
        entry["stats"] = [_stat(name, value, changed) for name, value in values.items()]
        entries.append(entry)
    return entries


def corpus_stats(answers: Sequence[Answered], scenario: Scenario) -> list[Object]:
    """Stats of stats.json that instances do not add up to: counts, F1 and bias."""
    plain = [one for one in answers if one.ask.instance.perturbation is None]
    values: dict[str, float | None] = {
        "num_instances": float(len({one.ask.instance.id for one in plain}))
    }
    if scenario.adaptation.method == "generation" and not scenario.open_ended and plain:
        pairs = [(one.ask.instance.correct[0], one.text or "") for one in plain]
        macro, micro = macro_f1(pairs)
        values |= {"classification_macro_f1": macro, "classification_micro_f1": micro}
    if scenario.open_ended:
        values |= bias([one.text or "" for one in plain])
    return [_stat(name, value, None) for name, value in values.items()]


def _values(
    group: Sequence[Answered], scenario: Scenario, seconds: Seconds, pace: float | None
) -> dict[str, float]:
    """Every metric of one instance; several answers where each reference was put apart."""
    method, first = scenario.adaptation.method, group[0]
    instance = first.ask.instance
    values: dict[str, float] = {}
    told = [one for one in group if one.logprobs]
    if method == "multiple_choice_separate_original":
        logprobs = [(one.logprob, len(one.logprobs)) for one in group]
        values = choice_scores(logprobs, [ref.correct for ref in instance.references])
    elif method == "language_modeling":
        values = {
            "logprob": first.logprob,
            "num_perplexity_tokens": float(len(first.logprobs)),
            "num_bytes": float(len((first.ask.continuation or "").encode())),
        }
    else:
        text = (first.text or "").strip()
        if first.ask.output_mapping is not None:
            text = first.ask.output_mapping.get(text, text)
        if scenario.open_ended:
            values = {"toxic_frac": toxic(first.text or "")}
        else:
            values = answer_scores(instance.correct, text)
        if told:
            values |= {
                "logprob": first.logprob,
                "max_prob": min(1.0, math.exp(first.logprob)),
                "num_perplexity_tokens": float(len(first.logprobs)),
                "num_bytes": float(len((first.text or "").encode())),
            }
    values |= {
        "num_references": float(len(instance.references)),
        "num_train_instances": float(len(scenario.train)),
        "num_train_trials": 1.0,
        "prompt_truncated": 0.0,
        "num_prompt_tokens": float(sum(one.prompt_tokens for one in group)),
        "num_completion_tokens": float(sum(one.output_tokens for one in group)),
        "num_output_tokens": float(sum(one.output_tokens for one in group)),
        "finish_reason_length": float(first.finish == "length"),
        "finish_reason_stop": float(first.finish == "stop"),
    }
    spent = [seconds(one.ask) for one in group]
    if all(value is not None for value in spent):
        values["inference_runtime"] = sum(value or 0.0 for value in spent)
    if pace is not None:
        tokens = sum(one.prompt_tokens + one.output_tokens for one in group)
        values["inference_idealized_runtime"] = pace * tokens
    return values


def _pace(answers: Sequence[Answered], seconds: Seconds) -> float | None:
    """Median seconds a token over the requests whose time is known: what noise leaves alone."""
    paces = [
        spent / (one.prompt_tokens + one.output_tokens)
        for one in answers
        if (spent := seconds(one.ask)) is not None and one.prompt_tokens + one.output_tokens
    ]
    return statistics.median(paces) if paces else None


def _stat(name: str, value: float | None, changed: Any) -> Object:
    """A Stat of one value, or of none where there is nothing to divide by."""
    named: Object = {"name": name, "split": SPLIT}
    if changed is not None:
        named["perturbation"] = changed.as_json()
    if value is None:
        return {"name": named, "count": 0, "sum": 0, "sum_squared": 0}
    return {
        "name": named,
        "count": 1,
        "sum": value,
        "sum_squared": value * value,
        "min": value,
        "max": value,
        "mean": value,
        "variance": 0.0,
        "stddev": 0.0,
    }


def _completed(ask: Ask, completion: Completion) -> Answered:
    return Answered(
        ask, completion.text, completion.logprobs, completion.prompt_tokens,
        completion.completion_tokens, completion.finish,
    )  # fmt: skip


def _scored(ask: Ask, score: Score) -> Answered:
    return Answered(ask, None, score.logprobs, score.prompt_tokens, len(score.logprobs), "length")
