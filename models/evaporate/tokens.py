"""What the three strategies cost in tokens, before any of them is run (section 3.4, figure 3).

DIRECT reads every chunk of every document: its cost grows with the documents. CODE and CODE+ read
the chunks of a few samples, once for the schema and a few times for every attribute: their cost
grows with the attributes and stays the same however many documents there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

DIRECT, CODE, CODE_PLUS = "DIRECT", "CODE", "CODE+"
CHARACTERS_PER_TOKEN = 4.0  # of English text with the usual vocabularies
SCALE = 10_000  # documents that costs are compared at, as in the paper

# Tokens around a chunk and in an answer; the paper's code caps answers at 500, 500 and 100.
_SCHEMA_PROMPT, _SCHEMA_ANSWER = 250, 300
_RANKING_CALLS, _RANKING_PROMPT, _RANKING_ANSWER = 6, 1_500, 200
_READING_PROMPT, _READING_ANSWER = 60, 40
_FUNCTION_PROMPT, _FUNCTION_ANSWER = 150, 250
_TABLE_PROMPT, _TABLE_ANSWER_PER_ATTRIBUTE = 60, 20
_TEMPLATES = 2


class Source(NamedTuple):
    """The size of a collection. characters: of all documents together."""

    documents: int
    characters: int
    attributes: int
    samples: int = 10
    chunk: int = 3_000  # characters
    chunks_per_attribute: int = 2  # of a sample document


class Cost(NamedTuple):
    """Tokens of a strategy on a collection; at_scale: with SCALE documents of the same size."""

    strategy: str
    prompt: int
    completion: int
    at_scale: int

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion


class Spent(NamedTuple):
    """Tokens of some calls: of the prompts and of the answers."""

    prompt: float
    completion: float

    def times(self, n: float) -> Spent:
        return Spent(self.prompt * n, self.completion * n)

    def plus(self, other: Spent) -> Spent:
        return Spent(self.prompt + other.prompt, self.completion + other.completion)


class Row(NamedTuple):
    """A row of the paper's Table 3: tokens for 10,000 documents [millions]."""

    direct: float
    code_plus: float
    ratio: int


PAPER_TABLE_3: Mapping[str, Row] = {
    "FDA": Row(145.6, 1.9, 77),
    "Enron": Row(21.2, 0.6, 35),
    "Wiki NBA": Row(650.1, 3.0, 217),
    "SWDE movie": Row(282.9, 2.3, 123),
    "SWDE university": Row(190.1, 1.9, 100),
}


def paper_ratio() -> float:
    """The paper's 110x: the unweighted mean of its five printed ratios.

    Not the ratio of the mean costs, which is 258 / 1.9 = 133 to 136.
    """
    return sum(row.ratio for row in PAPER_TABLE_3.values()) / len(PAPER_TABLE_3)


def predict(source: Source) -> list[Cost]:
    """The tokens of DIRECT, CODE and CODE+ on a collection without labels.

    CODE is CODE+ with one sample, chunk and template an attribute; the schema costs both the same.
    Raises ValueError without documents.
    """
    if source.documents < 1:
        raise ValueError("the cost of no documents: give at least one")
    reading = _direct(source)
    schema = _schema(source)
    one = Spent(source.chunk / CHARACTERS_PER_TOKEN + _FUNCTION_PROMPT, _FUNCTION_ANSWER)
    code = schema.plus(one.times(source.attributes))
    plus = schema.plus(_attribute(source).times(source.attributes))
    return [
        _cost(DIRECT, reading, SCALE / source.documents),
        _cost(CODE, code, 1.0),
        _cost(CODE_PLUS, plus, 1.0),
    ]


def per_attribute(source: Source) -> float:
    """Tokens CODE+ spends on an attribute: readings and functions of the samples' chunks."""
    return sum(_attribute(source))


def crossover_documents(attributes: int, per_attribute: float, per_document: float) -> float:
    """Documents from which on code is cheaper than reading them all."""
    return attributes * per_attribute / per_document


def crossover_attributes(documents: int, per_attribute: float, per_document: float) -> float:
    """Attributes from which on reading all documents is cheaper than code."""
    return documents * per_document / per_attribute


def per_document(source: Source) -> float:
    """Tokens DIRECT spends on a document of mean size."""
    return sum(_direct(source)) / source.documents


def _cost(strategy: str, spent: Spent, growth: float) -> Cost:
    """growth: how much more of it SCALE documents take."""
    return Cost(strategy, round(spent.prompt), round(spent.completion), round(sum(spent) * growth))


def _attribute(source: Source) -> Spent:
    chunks = _samples(source) * min(source.chunks_per_attribute, _chunks(source))
    text = min(source.chunk, source.characters / source.documents) / CHARACTERS_PER_TOKEN
    reading = Spent(text + _READING_PROMPT, _READING_ANSWER)
    writing = Spent(text + _FUNCTION_PROMPT, _FUNCTION_ANSWER)
    return reading.plus(writing.times(_TEMPLATES)).times(chunks)


def _direct(source: Source) -> Spent:
    chunks = source.documents * _chunks(source)
    asked = Spent(_TABLE_PROMPT, source.attributes * _TABLE_ANSWER_PER_ATTRIBUTE)
    return asked.times(chunks).plus(Spent(source.characters / CHARACTERS_PER_TOKEN, 0.0))


def _schema(source: Source) -> Spent:
    text = Spent(source.characters / source.documents / CHARACTERS_PER_TOKEN, 0.0)
    asked = Spent(_SCHEMA_PROMPT, _SCHEMA_ANSWER).times(_chunks(source))
    ranking = Spent(_RANKING_PROMPT, _RANKING_ANSWER).times(_RANKING_CALLS)
    return text.plus(asked).times(_samples(source)).plus(ranking)


def _chunks(source: Source) -> int:
    """Chunks of a document of mean size."""
    return max(1, math.ceil(source.characters / source.documents / source.chunk))


def _samples(source: Source) -> int:
    return min(source.samples, source.documents)
