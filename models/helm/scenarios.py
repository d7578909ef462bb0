"""Scenarios: made by rule from a seed, from rows of data sets, or from the user's own JSONL.

Those made by rule need no data: abstract pattern matching (HELM's synthetic reasoning), Dyck
languages, recall of key-value pairs (as in the MQAR task), and open-ended prompts of our own for
bias and toxicity. Each has answers that are known by construction.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.helm.instances import Adaptation, Instance, Reference, Scenario
from models.helm.wordlists import OPENINGS

_SYMBOLS = ("+", "-", "*", "=", "&", "%", "#", "@")
_WORDS = (
    "apple", "river", "stone", "lemon", "tiger", "piano", "cloud", "maple", "robot", "candle",
    "bridge", "carpet", "garden", "hammer", "island", "jacket", "kettle", "ladder", "mirror",
    "needle", "orange", "pencil", "rabbit", "saddle", "ticket", "violin", "window", "yellow",
)  # fmt: skip
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_SHOTS = 3
_LONGEST = 160  # words of a paragraph that are read


def synthetic_reasoning(n: int, seed: int) -> Scenario:
    """Which of four patterns a string of words and symbols follows."""
    chance = random.Random(f"synthetic_reasoning {seed}")

    def one(number: int) -> Instance:
        names = ("X", "Y", "Z")
        patterns: list[str] = []
        while len(patterns) < 4:
            symbol = chance.choice(_SYMBOLS)
            pattern = f" {symbol} ".join([*chance.sample(names, 2), chance.choice(names)])
            if pattern not in patterns:
                patterns.append(pattern)
        answer = chance.choice(patterns)
        words = dict(zip(names, chance.sample(_WORDS, 3), strict=True))
        result = " ".join(words.get(part, part) for part in answer.split())
        rules = "\n".join(patterns)
        text = f"Rules:\n{rules}\nResult:\n{result}"
        return Instance(f"id{number}", text, [Reference(answer, correct=True)])

    adaptation = Adaptation(
        "generation",
        instructions="Please name the rule that the result follows.\n\n",
        output_prefix="Rule: ",
        max_train_instances=_SHOTS,
        max_tokens=12,
    )
    return _made("synthetic_reasoning", {"mode": "pattern_match"}, adaptation, one, n)


def dyck(n: int, seed: int) -> Scenario:
    """The brackets that close what a string of brackets left open."""
    chance = random.Random(f"dyck {seed}")

    def one(number: int) -> Instance:
        open_: list[str] = []
        text: list[str] = []
        while len(text) < chance.randint(6, 12) or not open_:
            if open_ and chance.random() < 0.4:
                text.append(_PAIRS[open_.pop()])
            else:
                open_.append(chance.choice(tuple(_PAIRS)))
                text.append(open_[-1])
        rest = " ".join(_PAIRS[bracket] for bracket in reversed(open_))
        return Instance(f"id{number}", " ".join(text), [Reference(rest, correct=True)])

    adaptation = Adaptation(
        "generation",
        instructions="Please complete the rest of the following Dyck sequences, making sure that "
        "the parentheses are closed properly.\n\n",
        input_prefix="Input: ",
        output_prefix="Output: ",
        max_train_instances=_SHOTS,
        max_tokens=16,
    )
    # Perturbations change words, of which a Dyck string has none.
    return _made("dyck_language", {"pairs": 4}, adaptation, one, n, perturbed=False)


def recall(n: int, seed: int, pairs: int = 6) -> Scenario:
    """The value that stood beside a key, among `pairs` pairs, as in multi-query recall."""
    chance = random.Random(f"recall {seed}")

    def one(number: int) -> Instance:
        keys = chance.sample(_WORDS, pairs)
        values = [str(chance.randint(10, 99)) for _ in keys]
        asked = chance.randrange(pairs)
        listed = ", ".join(f"{key} is {value}" for key, value in zip(keys, values, strict=True))
        text = f"Remember that {listed}. What number is {keys[asked]}?"
        return Instance(f"id{number}", text, [Reference(values[asked], correct=True)])

    adaptation = Adaptation(
        "generation", output_prefix="Answer: ", max_train_instances=2, max_tokens=5
    )
    return _made("recall", {"pairs": pairs}, adaptation, one, n)


def open_ended(n: int, seed: int) -> Scenario:
    """Openings of sentences about people, to be continued: what is written is counted."""
    chance = random.Random(f"open_ended {seed}")
    openings = list(OPENINGS)
    chance.shuffle(openings)
    test = [Instance(f"id{i}", text, []) for i, text in enumerate(openings[:n])]
    adaptation = Adaptation("generation", input_suffix="", max_tokens=40, stop=())
    return Scenario(
        "open_ended", {}, ("open_ended",), adaptation, test, perturbed=False, open_ended=True
    )


def classification(
    name: str, arguments: Mapping[str, object], rows: Sequence[tuple[str, str]],
    labels: Sequence[str], *, n: int, seed: int,
) -> Scenario:  # fmt: skip
    """Texts to label, balanced over the labels as far as there are rows; the prompt lists them.

    rows: (text, label).
    """
    chance = random.Random(f"{name} {sorted(arguments.items())} {seed}")
    by_label: dict[str, list[str]] = {label: [] for label in labels}
    for text, label in rows:
        by_label.setdefault(label, []).append(text)
    for texts in by_label.values():
        chance.shuffle(texts)
    drawn: list[tuple[str, str]] = []
    longest = max(map(len, by_label.values()))
    for turn in range(longest):
        drawn += [(texts[turn], label) for label, texts in by_label.items() if turn < len(texts)]
    shots = max(_SHOTS, min(len(labels), 4))
    instances = [
        Instance(f"id{i}", text, [Reference(one, correct=one == label) for one in labels])
        for i, (text, label) in enumerate(drawn[: n + shots])
    ]
    adaptation = Adaptation(
        "generation",
        instructions=f"Label each text as one of: {', '.join(labels)}.\n\n",
        input_prefix="Text: ",
        output_prefix="Label: ",
        max_train_instances=shots,
        max_tokens=8,
    )
    return Scenario(name, arguments, (name,), adaptation, instances[shots:], instances[:shots])


def capitals(
    countries: Sequence[tuple[str, str]], n: int, seed: int, *, separate: bool
) -> Scenario:
    """The capital of a country among four: as a letter, or by which sentence is the likeliest.

    countries: (name, capital).
    """
    chance = random.Random(f"capitals {seed}")
    drawn = chance.sample(list(countries), min(n + _SHOTS, len(countries)))
    instances = []
    for number, (name, capital) in enumerate(drawn):
        others = [other for _, other in countries if other != capital]
        offered = [capital, *chance.sample(others, 3)]
        chance.shuffle(offered)
        references = [Reference(one, correct=one == capital) for one in offered]
        question = f"The capital of {name} is" if separate else f"What is the capital of {name}?"
        instances.append(Instance(f"id{number}", question, references))
    if separate:
        adaptation = Adaptation("multiple_choice_separate_original", input_suffix="")
        group = "factbook_separate"
        return Scenario(group, {"relation": "capital"}, (group,), adaptation, instances[_SHOTS:])
    adaptation = Adaptation(
        "multiple_choice_joint",
        instructions="The following are multiple choice questions (with answers).\n\n",
        input_prefix="Question: ",
        output_prefix="Answer: ",
        max_train_instances=_SHOTS,
        max_tokens=1,
    )
    return Scenario(
        "factbook", {"relation": "capital"}, ("factbook",), adaptation,
        instances[_SHOTS:], instances[:_SHOTS],
    )  # fmt: skip


def currencies(countries: Sequence[tuple[str, str]], n: int, seed: int) -> Scenario:
    """The currency of a country in free words. countries: (name, currency)."""
    chance = random.Random(f"currencies {seed}")
    drawn = chance.sample(list(countries), min(n + _SHOTS, len(countries)))
    instances = [
        Instance(f"id{i}", f"What is the currency of {name}?", [Reference(money, correct=True)])
        for i, (name, money) in enumerate(drawn)
    ]
    adaptation = Adaptation(
        "generation", input_prefix="Question: ", output_prefix="Answer: ",
        max_train_instances=_SHOTS, max_tokens=10,
    )  # fmt: skip
    return Scenario(
        "factbook_open", {"relation": "currency"}, ("factbook_open",), adaptation,
        instances[_SHOTS:], instances[:_SHOTS],
    )  # fmt: skip


def language_modelling(name: str, paragraphs: Sequence[str], n: int, seed: int) -> Scenario:
    """How likely a model finds the second half of paragraphs after the first."""
    chance = random.Random(f"{name} {seed}")
    drawn = chance.sample(list(paragraphs), min(n, len(paragraphs)))
    instances = []
    for number, text in enumerate(drawn):
        words = text.split()[:_LONGEST]
        first, second = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
        instances.append(Instance(f"id{number}", first, [Reference(f" {second}", correct=True)]))
    adaptation = Adaptation("language_modeling", input_suffix="")
    return Scenario(name, {"split": "test"}, (name,), adaptation, instances, perturbed=False)


def read_jsonl(path: Path, n: int) -> Scenario:
    """The user's own scenario: a line an instance, {"input", "references" or "answer"}.

    With several references and "correct" (an index), a joint multiple choice; else generation of
    "answer". The first lines are the few-shot examples. Raises ValueError naming file and line.
    """
    instances = []
    choice = False
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(line for line in lines if line.strip()):
        try:
            row = json.loads(line)
            if "references" in row:
                choice = True
                references = [
                    Reference(str(text), correct=i == int(row["correct"]))
                    for i, text in enumerate(row["references"])
                ]
            else:
                references = [Reference(str(row["answer"]), correct=True)]
            instances.append(Instance(f"id{number}", str(row["input"]), references))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number + 1}: needs input and answer, or input, references and "
                f"correct ({error!r})"
            ) from error
    if len(instances) <= _SHOTS:
        raise ValueError(f"{path}: {len(instances)} lines, more than {_SHOTS} are needed")
    adaptation = Adaptation(
        "multiple_choice_joint" if choice else "generation",
        input_prefix="Question: ",
        output_prefix="Answer: ",
        max_train_instances=_SHOTS,
        max_tokens=1 if choice else 32,
    )
    name = path.stem
    test = instances[_SHOTS : _SHOTS + n]
    return Scenario(name, {"file": path.name}, (name,), adaptation, test, instances[:_SHOTS])


def _made(
    name: str, arguments: Mapping[str, object], adaptation: Adaptation,
    one: Callable[[int], Instance], n: int, *, perturbed: bool = True,
) -> Scenario:  # fmt: skip
    shots = adaptation.max_train_instances
    instances = [one(number) for number in range(n + shots)]
    return Scenario(
        name, arguments, (name,), adaptation, instances[shots:], instances[:shots], perturbed
    )
