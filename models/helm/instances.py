"""What is put to a model: instances with their references, and scenarios made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Method = Literal[
    "generation", "multiple_choice_joint", "multiple_choice_separate_original", "language_modeling"
]


@dataclass(frozen=True)
class Reference:
    """An answer that is offered or expected."""

    text: str
    correct: bool


@dataclass(frozen=True)
class Perturbation:
    """How an input was changed, and what the change is to tell of a model."""

    name: str
    robustness: bool = False
    fairness: bool = False

    def as_json(self, computed_on: str = "perturbed") -> dict[str, object]:
        return vars(self) | {"computed_on": computed_on}


@dataclass(frozen=True)
class Instance:
    """One input with its references, perturbed or not."""

    id: str
    text: str
    references: Sequence[Reference]
    perturbation: Perturbation | None = None
    original: str | None = None  # the unperturbed input of a perturbed one

    def perturbed(self, by: Perturbation, text: str) -> Instance:
        return replace(self, text=text, perturbation=by, original=self.text)

    @property
    def correct(self) -> list[str]:
        return [reference.text for reference in self.references if reference.correct]


@dataclass(frozen=True)
class Adaptation:
    """How instances become prompts: HELM's adapter specification, as far as it is used here."""

    method: Method
    instructions: str = ""
    input_prefix: str = ""
    input_suffix: str = "\n"
    output_prefix: str = ""
    output_suffix: str = "\n"
    max_train_instances: int = 0
    max_tokens: int = 5
    stop: tuple[str, ...] = ("\n",)


@dataclass(frozen=True)
class Scenario:
    """A set of instances to train and to test on, and how they are put to a model."""

    name: str
    arguments: Mapping[str, object]
    groups: Sequence[str]
    adaptation: Adaptation
    test: Sequence[Instance]
    train: Sequence[Instance] = field(default=())
    perturbed: bool = True  # whether the robustness and fairness of its answers are asked for
    open_ended: bool = False  # whether its answers are free text, for bias and toxicity
