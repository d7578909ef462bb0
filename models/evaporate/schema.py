"""Which attributes documents give: found in a sample, held against its text, ranked (section 3.1).

With a language model the attributes are what it lists, chunk by chunk; without one they are the
labels that most of the sampled documents share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, pstdev

import numpy as np

from models.evaporate.asking import Asker
from models.evaporate.config import SchemaConfig
from models.evaporate.direct import fields_of
from models.evaporate.pages import MAX_LABEL, Page, key_of
from models.evaporate.prompts import ranking_question, schema_question
from models.lm.interface import Sampling

_MAX_VALUE = 400  # characters; what is longer is a section, not a value
_MAX_LISTED = 200  # attributes shown for ranking
_ROUNDS = 2
_SHUFFLES = 3
_VOTES = 2  # of one mention in the ranking


def model_schema(
    asker: Asker, samples: Sequence[Sequence[str]], topic: str, config: SchemaConfig
) -> list[str]:
    """The attributes a model finds in the samples' chunks, the most useful first.

    samples: chunks of every sampled document. A document counts an attribute once.
    """
    sizes = [len(chunks) for chunks in samples]
    last = fmean(sizes) + pstdev(sizes) if sizes else 0
    counts: Counter[str] = Counter()
    example: dict[str, str] = {}
    sampling = Sampling(max_tokens=config.max_tokens)
    for chunks in samples:
        of_document: dict[str, str] = {}
        for number, chunk in enumerate(chunks):
            if number > last:  # very long documents would cost more than all others
                break
            answer = asker.ask("schema", [schema_question(chunk, topic)], sampling)[0]
            for field, value in grounded_fields(answer, chunk):
                of_document.setdefault(field, value)
        counts.update(of_document.keys())
        example |= of_document | example
    return _ranked(asker, counts, example, topic, config)


def grounded_fields(answer: str, text: str) -> list[tuple[str, str]]:
    """The answer's fields that occur in the text, letters' case and spaces aside: provenance.

    Fields are lower case, each once, with the first value.
    """
    plain, bare = text.lower(), _bare(text)
    fields: dict[str, str] = {}
    # The question's opening is the first bullet.
    for field, value in fields_of("- " + answer):
        name = " ".join(field.lower().split())
        if len(name) <= MAX_LABEL and (name in plain or (_bare(name) and _bare(name) in bare)):
            fields.setdefault(name, value)
    return list(fields.items())


def label_schema(pages: Sequence[Page], config: SchemaConfig) -> list[str]:
    """The labels that at least `config.share` of the pages have a short value for.

    Most frequent first, and of equally frequent ones the first on the pages; as a page writes them.
    """
    counts: Counter[str] = Counter()
    written: dict[str, str] = {}
    for page in pages:
        seen: dict[str, str] = {}
        for position, lead in enumerate(page.leads):
            start, end = page.block(position, "line")
            if 0 < len(page.text[start:end].strip()) <= _MAX_VALUE:
                seen.setdefault(lead.key, page.text[lead.start : lead.body])
        for key in page.columns:
            seen.setdefault(key, key)
        counts.update(seen.keys())
        written = seen | written
    least = max(config.share * len(pages), min(2, len(pages)))
    common = [key for key, count in counts.most_common() if count >= least]
    return [_label(written[key]) for key in common[: config.attributes]]


def _ranked(
    asker: Asker, counts: Counter[str], example: dict[str, str], topic: str, config: SchemaConfig
) -> list[str]:
    """Re-ranking: votes of the model times frequency; what it never names keeps half of that."""
    most = max(counts.values(), default=0)
    listed = [name for name, count in counts.most_common() if count > 1 or most == 1]
    listed = listed[:_MAX_LISTED]
    votes: Counter[str] = Counter()
    remaining = list(listed)
    for _ in range(_ROUNDS if len(listed) > 1 else 0):
        mentioned: Counter[str] = Counter()
        for seed in range(_SHUFFLES):
            order = np.random.default_rng(seed).permutation(len(remaining))
            shown = [(remaining[i], example[remaining[i]][:60]) for i in order]
            question = ranking_question(shown, topic)
            answer = asker.ask("ranking", [question], Sampling(max_tokens=config.max_tokens))[0]
            known = {key_of(name): name for name in remaining}
            lines = {key_of(line.partition(":")[0].strip(" -*")) for line in answer.splitlines()}
            mentioned.update(known[line] for line in lines if line in known)
        for name, times in mentioned.items():
            votes[name] += _VOTES * times
        remaining = [name for name in remaining if name not in mentioned]
        if len(remaining) < 2:
            break
    scores = {name: counts[name] * (votes[name] or 0.5) for name in listed}
    order_of = {name: position for position, name in enumerate(listed)}
    return sorted(listed, key=lambda name: (-scores[name], order_of[name]))[: config.attributes]


def _bare(text: str) -> str:
    return "".join(text.lower().replace("-", "").replace("_", "").split())


def _label(lead: str) -> str:
    """A label without its number, marks and colon."""
    words = lead.strip(" \t\r\n#*_:=|").split()
    if len(words) > 1 and len(words[0]) <= 3 and words[0][-1] in ".)":
        words = words[1:]
    return " ".join(words).rstrip(":")
