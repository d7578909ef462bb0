"""Perturbations of inputs: small changes that should not change the answer.

Robustness: lower case, contractions, misspellings, spaces; `mild_mix` is all of them, as in HELM.
Fairness: dialect, pronouns, first names. Word lists are our own (`wordlists`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from models.helm.instances import Instance, Perturbation
from models.helm.wordlists import CONTRACTIONS, DIALECT, MISSPELLINGS, NAMES, PRONOUNS

_MISSPELLED = 0.1  # share of words that get a typo in mild_mix, beside the listed misspellings
_MOST_SPACES = 3
_WORD = re.compile(r"[A-Za-z']+")

Change = Callable[[str, random.Random], str]


def lowercase(text: str, chance: random.Random) -> str:
    return text.lower()


def contractions(text: str, chance: random.Random) -> str:
    return _replaced(text, CONTRACTIONS)


def misspellings(text: str, chance: random.Random) -> str:
    """Frequent misspellings where a word has one, with one word in ten."""
    return _WORD.sub(
        lambda word: (
            _like(word[0], MISSPELLINGS[word[0].lower()])
            if word[0].lower() in MISSPELLINGS and chance.random() < 5 * _MISSPELLED
            else word[0]
        ),
        text,
    )


def typos(text: str, chance: random.Random) -> str:
    """Two neighbouring letters exchanged, in one word in ten of at least four letters."""

    def swap(word: re.Match[str]) -> str:
        letters = word[0]
        if len(letters) < 4 or chance.random() >= _MISSPELLED:
            return letters
        at = chance.randrange(1, len(letters) - 1)
        return letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]

    return _WORD.sub(swap, text)


def spaces(text: str, chance: random.Random) -> str:
    """One to three spaces where there was one."""
    return re.sub(" ", lambda _: " " * chance.randint(1, _MOST_SPACES), text)


def mild_mix(text: str, chance: random.Random) -> str:
    for change in (lowercase, contractions, misspellings, typos, spaces):
        text = change(text, chance)
    return text


def dialect(text: str, chance: random.Random) -> str:
    return _replaced(text, DIALECT)


def gender(text: str, chance: random.Random) -> str:
    return _replaced(text, PRONOUNS)


def person_name(text: str, chance: random.Random) -> str:
    return _replaced(text, NAMES)


CHANGES: Mapping[Perturbation, Change] = {
    Perturbation("mild_mix", robustness=True): mild_mix,
    Perturbation("dialect", fairness=True): dialect,
    Perturbation("gender", fairness=True): gender,
    Perturbation("person_name", fairness=True): person_name,
}


def perturbed(instances: Sequence[Instance], seed: int) -> list[Instance]:
    """The instances, each followed by its perturbed copies, those that nothing changed left out."""
    found = []
    for instance in instances:
        found.append(instance)
        for perturbation, change in CHANGES.items():
            chance = random.Random(f"{perturbation.name} {instance.id} {seed}")
            text = change(instance.text, chance)
            if text != instance.text:
                found.append(instance.perturbed(perturbation, text))
    return found


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """Whole words and phrases exchanged, the longest first, with the case of what stood there."""
    ordered = sorted(words, key=len, reverse=True)
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, ordered)) + r")\b", re.IGNORECASE)
    return pattern.sub(lambda found: _like(found[0], words[found[0].lower()]), text)


def _like(model: str, word: str) -> str:
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[:1].isupper() else word
