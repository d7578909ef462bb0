"""Representations of texts from a frozen language model: vanilla, leave-one-out, stream.

vanilla        one prompt of all k examples; an example sees those before it, a query all k
leave-one-out  an example comes last in a prompt of the k - 1 others, so that examples and queries
               have seen (nearly) the same and their representations share one distribution
stream         every text alone

A representation is the mean of the last layer's states over the tokens of what is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.lm.transformers import TransformersModel
from models.progress import Progress, silent
from models.tart.contexts import Context
from models.tart.prompts import CONTENT_FREE, Example, Template
from models.training import torch_threads


@dataclass(frozen=True)
class Embedded:
    """Representations of k examples and Q queries after one and the same context."""

    vanilla: NDArray[np.float32]  # (k, N)
    leave_one_out: NDArray[np.float32]  # (k, N)
    queries: NDArray[np.float32]  # (Q, N); both modes share them
    # log p of the token that tells each class from the others, after the query: (Q, C)
    label_logprobs: NDArray[np.float64]
    # the same after a query without content, which shows what the context favours: (C,)
    content_free: NDArray[np.float64]


def embed_in_context(
    model: TransformersModel,
    template: Template,
    shots: Sequence[tuple[str, str]],
    queries: Sequence[str],
    *,
    threads: int = 1,
    batch_tokens: int = 1024,
    progress: Progress = silent,
) -> Embedded:
    """Everything that one choice of (text, label) examples says about the queries.

    Progress counts examples and queries. Raises ValueError for an empty text, an unknown label,
    and more text than the model's context holds.
    """
    examples = [template.example(text, label) for text, label in shots]
    empty = [i for i, text in enumerate(queries) if not text.strip()]
    if empty:
        raise ValueError(f"query {empty[0]} has an empty text: drop it")
    total, k = len(shots) + len(queries), len(shots)
    with torch_threads(threads), torch.inference_mode():
        alone = leave_one_out(model, examples)
        progress(k, total)
        context = Context(model, batch_tokens)
        states = context.extend([token for each in examples for token in each.tokens])
        vanilla = [states[span].mean(0) for span in _spans(examples)]
        asked = [template.asked(text) for text in queries]
        free = [template.asked(text) for text in CONTENT_FREE]
        opening = _opening([*asked, *free])
        opened = context.extend(opening)
        vectors: list[Tensor] = []
        logprobs: list[Tensor] = []
        for piece in chain(_chunks(asked, batch_tokens), [free]):
            rest = [each[len(opening) :] for each in piece]
            for one, found in zip(
                rest, context.ask([each + template.shared for each in rest]), strict=True
            ):
                vectors.append(torch.cat((opened, found[: len(one)])).mean(0))
                logprobs.append(context.log_probabilities(found[-1])[template.telling])
            progress(min(k + len(vectors), total), total)
    told = torch.stack(logprobs).double()
    return Embedded(
        vanilla=_array(vanilla),
        leave_one_out=_array(alone),
        queries=_array(vectors[: len(queries)]),
        label_logprobs=told[: len(queries)].cpu().numpy(),
        content_free=told[len(queries) :].softmax(-1).mean(0).log().cpu().numpy(),
    )


def leave_one_out(
    model: TransformersModel, examples: Sequence[Example], *, pass_tokens: int = 3072
) -> list[Tensor]:
    """Representations (N,) of all k examples, each after the k - 1 others.

    pass_tokens: of the largest group of examples whose prompts are read in one pass.

    The prompt of an example holds the others in the order of `orders`, which lets halves of the
    examples share what precedes them: half of the examples are read once for the other half, then
    the same within each half. All in all k log2 k + k examples are read instead of k^2; what all of
    them begin with is read for both halves at once, at the end of what precedes them.
    """
    context = Context(model, pass_tokens)
    opening = _opening([example.asked for example in examples])
    rests = [example.asked[len(opening) :] for example in examples]
    found: dict[int, Tensor] = {}

    def joined(group: Sequence[int]) -> list[int]:
        """What follows one opening, up to the next."""
        return [token for j in group for token in (*rests[j], *examples[j].label, *opening)]

    def grow(group: Sequence[int], nodes: list[tuple[Sequence[int], int]], parent: int) -> None:
        """The nodes below `parent` after which each of the group comes last, and it itself."""
        for part, others in _halves(group):
            if len(part) > 1:
                nodes.append((joined(others), parent))
                grow(part, nodes, len(nodes) - 1)
            else:  # its states are asked for, so that it begins with an opening of its own
                before = joined(others)
                before = before[: len(before) - len(opening)]
                nodes.append(([*before, *examples[part[0]].asked], parent))

    def read(group: Sequence[int]) -> None:
        tokens = len(joined(group)) * len(group).bit_length()  # k (log2 k + 1) examples
        if tokens <= pass_tokens or len(group) <= 3:  # whose halves may be one example
            nodes: list[tuple[Sequence[int], int]] = []
            grow(group, nodes, -1)
            states = context.ask_tree(nodes)
            for i, state in zip(group, states, strict=True):
                found[i] = state[-len(examples[i].asked) :].mean(0)
            return
        mark = context.length
        for part, others in _halves(group):
            context.remember(joined(others))
            read(part)
            context.crop(mark)

    if len(examples) == 1:
        return [context.extend(examples[0].asked).mean(0)]
    context.remember(opening)
    read(range(len(examples)))
    return [found[i] for i in range(len(examples))]


def leave_one_out_reference(model: TransformersModel, examples: Sequence[Example]) -> list[Tensor]:
    """What `leave_one_out` gives, every prompt read from its beginning by the model as it comes."""
    network: Any = model.model
    found = []
    for i, order in enumerate(orders(len(examples))):
        tokens = [token for j in order for token in examples[j].tokens]
        ids = torch.tensor([[*tokens, *examples[i].asked]], device=network.device)
        states = network.base_model(input_ids=ids, use_cache=False).last_hidden_state[0]
        found.append(states[len(tokens) :].float().mean(0))
    return found


def orders(k: int) -> list[list[int]]:
    """In which order the prompt of each example holds the k - 1 others."""
    found: list[list[int]] = [[] for _ in range(k)]

    def split(group: Sequence[int]) -> None:
        for part, others in _halves(group) if len(group) > 1 else ():
            for i in part:
                found[i] += others
            split(part)

    split(range(k))
    return found


def _halves(group: Sequence[int]) -> tuple[tuple[Sequence[int], Sequence[int]], ...]:
    """Each half of a group, with the other half, which is read before it."""
    half = len(group) // 2
    return (group[:half], group[half:]), (group[half:], group[:half])


def _opening(pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The tokens that all pieces begin with; every piece has one more at least."""
    opening = list(takewhile(lambda at: len(set(at)) == 1, zip(*pieces, strict=False)))
    shortest = min(len(piece) for piece in pieces)
    return pieces[0][: min(len(opening), shortest - 1)]


def _spans(examples: Sequence[Example]) -> Iterator[slice]:
    """Where the asked part of each example lies when all follow one another."""
    begin = 0
    for example in examples:
        yield slice(begin, begin + len(example.asked))
        begin += len(example.tokens)


def _chunks(
    pieces: Sequence[tuple[int, ...]], batch_tokens: int
) -> Iterator[list[tuple[int, ...]]]:
    """Pieces in lists of about `batch_tokens` tokens, in order, so that progress can be told."""
    chunk: list[tuple[int, ...]] = []
    for piece in pieces:
        chunk.append(piece)
        if sum(map(len, chunk)) >= batch_tokens:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _array(vectors: Sequence[Tensor]) -> NDArray[np.float32]:
    return torch.stack(list(vectors)).cpu().numpy()
