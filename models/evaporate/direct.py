"""What a language model reads out of a text itself: pseudo-labels, and the strategy DIRECT."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from models.evaporate.asking import Asker
from models.evaporate.config import SynthesisConfig
from models.evaporate.pages import key_of
from models.evaporate.prompts import NO_VALUE, direct_question, table_question
from models.evaporate.provenance import locate
from models.evaporate.synthesis import chosen_chunks
from models.lm.interface import Sampling
from models.progress import Progress, silent

_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])?\s*")
_EDGES = " \t\r\n\"'`*"


def read_values(
    asker: Asker, attributes: Sequence[str], chunks: Sequence[str], config: SynthesisConfig
) -> dict[str, str | None]:
    """The model's own values in one document, the pseudo-labels of section 3.2.2.

    Of the chunks chosen for an attribute the first that gives a value counts. Answers that do not
    stand in the chunk are made up, and are no values.
    """
    sampling = Sampling(max_tokens=config.max_value_tokens, stop=("\n\n",))
    values: dict[str, str | None] = dict.fromkeys(attributes)
    for chunk, wanted in chosen_chunks(chunks, attributes, config.chunks_per_document):
        for attribute in wanted:
            if values[attribute] is None:
                question = direct_question(chunk, attribute)
                answer = asker.ask("pseudo-labels", [question], sampling)[0]
                values[attribute] = grounded(answer, attribute, chunk)
    return values


def read_table(
    asker: Asker,
    attributes: Sequence[str],
    chunks: Sequence[str],
    max_tokens: int,
    progress: Progress = silent,
) -> dict[str, str | None]:
    """DIRECT on one document: every chunk is read, and the value most chunks give counts.

    Of equally frequent values the first.
    """
    names = {key_of(attribute): attribute for attribute in attributes}
    found: dict[str, Counter[str]] = {attribute: Counter() for attribute in attributes}
    for done, chunk in enumerate(chunks):
        progress(done, len(chunks))
        question = table_question(chunk, attributes)
        answer = asker.ask("direct", [question], Sampling(max_tokens=max_tokens))[0]
        for field, text in fields_of(answer):
            attribute = names.get(key_of(field))
            if attribute and (value := grounded(text, attribute, chunk)):
                found[attribute][value] += 1
    progress(len(chunks), len(chunks))
    return {name: next(iter(values.most_common(1)), (None,))[0] for name, values in found.items()}


def fields_of(answer: str) -> list[tuple[str, str]]:
    """The `field: value` lines of an answer, bullets and numbers stripped."""
    fields = []
    for line in answer.splitlines():
        field, colon, value = line[_end_of_bullet(line) :].partition(": ")
        if colon and field.strip(_EDGES) and value.strip(_EDGES):
            fields.append((field.strip(_EDGES), value.strip(_EDGES)))
    return fields


def grounded(answer: str, attribute: str, text: str) -> str | None:
    """The value in an answer, without the attribute's name; None if it is not in the text."""
    value = answer.strip(_EDGES)
    field, colon, rest = value.partition(":")
    if colon and key_of(field) == key_of(attribute):
        value = rest.strip(_EDGES)
    if not value or value.strip(".").upper() == NO_VALUE:
        return None
    return value if locate(text, value) else None


def _end_of_bullet(line: str) -> int:
    found = _BULLET.match(line)
    return found.end() if found else 0
