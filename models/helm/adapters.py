"""From instances to prompts: few-shot generation, multiple choice, language modelling.

The form of a prompt is HELM's: instructions, examples one after the other, then the question with
its answer left open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from models.helm.instances import Instance, Scenario
from models.helm.perturbations import perturbed

ORIGINAL = "original"


@dataclass(frozen=True)
class Ask:
    """One request: a prompt to complete, or with a continuation one to score."""

    instance: Instance
    prompt: str
    continuation: str | None = None
    reference_index: int | None = None
    request_mode: str | None = None
    output_mapping: Mapping[str, str] | None = None  # letter -> answer


def asks(scenario: Scenario, seed: int) -> list[Ask]:
    """Every request of a scenario, perturbed inputs included, in the order of its instances."""
    instances = perturbed(scenario.test, seed) if scenario.perturbed else list(scenario.test)
    return [ask for instance in instances for ask in _of_instance(instance, scenario)]


def _of_instance(instance: Instance, scenario: Scenario) -> list[Ask]:
    adaptation = scenario.adaptation
    match adaptation.method:
        case "multiple_choice_separate_original":
            return [
                Ask(instance, instance.text, f" {reference.text}", index, ORIGINAL)
                for index, reference in enumerate(instance.references)
            ]
        case "language_modeling":
            return [Ask(instance, instance.text, instance.references[0].text)]
        case "multiple_choice_joint":
            mapping = {
                letter: reference.text
                for letter, reference in zip(ascii_uppercase, instance.references, strict=False)
            }
            return [Ask(instance, _prompt(instance, scenario), output_mapping=mapping)]
        case "generation":
            return [Ask(instance, _prompt(instance, scenario))]


def _prompt(instance: Instance, scenario: Scenario) -> str:
    adaptation = scenario.adaptation
    examples = "".join(
        _question(shot, scenario) + f" {_answer(shot, scenario)}{adaptation.output_suffix}\n"
        for shot in scenario.train[: adaptation.max_train_instances]
    )
    return adaptation.instructions + examples + _question(instance, scenario)


def _question(instance: Instance, scenario: Scenario) -> str:
    """Up to where the answer begins, without a space there: tokens begin with theirs."""
    adaptation = scenario.adaptation
    options = ""
    if adaptation.method == "multiple_choice_joint":
        options = "".join(
            f"{letter}. {reference.text}\n"
            for letter, reference in zip(ascii_uppercase, instance.references, strict=False)
        )
    text = adaptation.input_prefix + instance.text + adaptation.input_suffix
    return text + options + adaptation.output_prefix.rstrip()


def _answer(instance: Instance, scenario: Scenario) -> str:
    correct: Sequence[int] = [i for i, ref in enumerate(instance.references) if ref.correct]
    if scenario.adaptation.method == "multiple_choice_joint":
        return ascii_uppercase[correct[0]]
    return instance.references[correct[0]].text
