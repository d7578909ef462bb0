"""Runs, and what of their adapters tells the rows of a table apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# An adapter's fields in HELM's order, with what it fills in where a file leaves them out.
_DEFAULTS: Mapping[str, Any] = {
    "method": "", "global_prefix": "", "global_suffix": "", "instructions": "",
    "input_prefix": "Input: ", "input_suffix": "\n", "reference_prefix": "A. ",
    "reference_prefix_characters": None, "reference_suffix": "\n", "chain_of_thought_prefix": "",
    "chain_of_thought_suffix": "\n", "output_prefix": "Output: ", "output_suffix": "\n",
    "instance_prefix": "\n", "substitutions": [], "max_train_instances": 5,
    "max_eval_instances": None, "num_outputs": 5, "num_train_trials": 1, "num_trials": 1,
    "sample_train": True, "model_deployment": "", "model": "", "temperature": 1,
    "max_tokens": 100, "stop_sequences": [], "random": None, "multi_label": False,
    "image_generation_parameters": None, "reeval_parameters": None, "eval_splits": None,
    "output_mapping_pattern": None,
}  # fmt: skip
_PRIORITY = ("model_deployment", "model")

Adapter = tuple[tuple[str, Any], ...]  # kept keys and values, hashable


@dataclass(frozen=True)
class Run:
    """What the layout needs to know of a run."""

    name: str
    groups: Sequence[str]
    model: str
    adapter: Mapping[str, Any]
    scenario: str  # class and canonical arguments: runs of one scenario share it
    scenario_args: Mapping[str, Any]

    @property
    def is_raft(self) -> bool:
        return self.scenario.partition(" ")[0].endswith(".RAFTScenario")

    @property
    def is_mmlu(self) -> bool:
        return self.scenario.partition(" ")[0].endswith(".MMLUScenario")


def kept(run: Run, keys: Sequence[str], *, of_scenario: bool = False) -> Adapter:
    """The adapter's fields that a group tells rows apart by."""
    values = {**_DEFAULTS, "model": run.model, "model_deployment": run.model, **run.adapter}
    if of_scenario and run.is_raft:
        values["instructions"] = "<scenario specific>"
    elif of_scenario and run.is_mmlu:
        subject = str(run.scenario_args.get("subject", "")).replace("_", " ")
        values["instructions"] = str(values["instructions"]).replace(subject, "___")
    kept = [key for key in _DEFAULTS if key in keys and values[key] is not None]
    return tuple((key, _hashable(values[key])) for key in kept)


def distinguishing(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every item cut down to what tells it from the others: the model first, then as given."""
    first = items[0] if items else {}
    common = {k for k in first if all(k in item and item[k] == first[k] for item in items)}
    rest = [{k: v for k, v in item.items() if k not in common} for item in items]
    alike: dict[tuple[str, ...], Counter[Adapter]] = {}

    def number_like(item: Mapping[str, Any], keys: tuple[str, ...]) -> int:
        if keys not in alike:
            alike[keys] = Counter(tuple((k, other.get(k)) for k in keys) for other in rest)
        return alike[keys][tuple((k, item.get(k)) for k in keys)]

    cut = []
    for whole in rest:
        keys = sorted(whole, key=lambda k: _PRIORITY.index(k) if k in _PRIORITY else len(_PRIORITY))
        lengths = (n for n in range(1, len(keys) + 1) if number_like(whole, tuple(keys[:n])) == 1)
        length = next(lengths, None)
        cut.append(whole if length is None else {k: whole.get(k) for k in keys[:length]})
    return cut


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, list | dict) else value


def words(values: Mapping[str, Any]) -> str:
    """Arguments as a label shows them: "key: value, ..."."""
    return ", ".join(f"{key}: {value}" for key, value in values.items())
