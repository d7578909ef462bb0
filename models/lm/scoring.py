"""Log-probabilities of given tokens, sharing the work on prompts that several are asked after.

Rows (prompt, continuation) with the same prompt run it once a batch: its keys and values are kept
and copied for each continuation. Continuations are read in stretches, so that no more than
`_MOST_LOGITS` logits exist at a time, however long a text or large a vocabulary is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from models.lm.batching import batches
from models.lm.interface import Score
from models.lm.padding import padded_right
from models.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Row = tuple[tuple[int, ...], tuple[int, ...]]  # tokens of the prompt (>= 1) and the continuation
_MOST_LOGITS = 2**25  # 128 MiB of float32


def score_rows(
    model: PreTrainedModel, rows: Sequence[Row], budget: int, progress: Progress
) -> list[Score]:
    """One score a row, in the order of the rows; `budget` bounds the tokens of a batch."""
    found: dict[int, Score] = {
        i: Score((), (), len(prompt)) for i, (prompt, after) in enumerate(rows) if not after
    }
    for prompt, batch in _batches(rows, found, budget):
        # The last shared token is read with the continuations, as it predicts their first ones.
        kept = _read(model, prompt[:-1], budget) if len(batch) > 1 and len(prompt) > 1 else None
        shared = 0 if kept is None else len(prompt) - 1
        told = _told(model, [rows[i] for i in batch], kept, shared)
        for i, (logprobs, greedy) in zip(batch, told, strict=True):
            found[i] = Score(tuple(logprobs), tuple(greedy), len(rows[i][0]))
        progress(len(found), len(rows))
    return [found[i] for i in range(len(rows))]


def _batches(
    rows: Sequence[Row], done: dict[int, Score], budget: int
) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """(shared prompt, indices): prompts asked after more than once apart, all others together."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for i, (prompt, _) in enumerate(rows):
        if i not in done:
            by_prompt.setdefault(prompt, []).append(i)
    alone = [members[0] for members in by_prompt.values() if len(members) == 1]
    groups = [members for members in by_prompt.values() if len(members) > 1]
    for members in (*groups, alone):
        lengths = [sum(map(len, rows[i])) for i in members]
        for batch in batches(lengths, budget):
            indices = [members[place] for place in batch]
            yield (rows[indices[0]][0] if members is not alone else ()), indices


def _read(model: PreTrainedModel, prompt: Sequence[int], budget: int) -> Any:
    """Keys and values of a prompt, read once."""
    cache: Any = None
    for stretch in torch.tensor([prompt], device=model.device).split(budget, 1):
        out = model(input_ids=stretch, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
    return cache


def _told(
    model: PreTrainedModel, rows: Sequence[Row], kept: Any, shared: int
) -> list[tuple[list[float], list[bool]]]:
    """(log-probabilities, greedy) of every row's continuation, after `shared` tokens in `kept`."""
    wholes = [(*prompt, *after)[shared:] for prompt, after in rows]
    longest = max(map(len, wholes))
    ids = padded_right(wholes, torch.device("cpu"))  # (B, L)
    first = min(len(prompt) for prompt, _ in rows) - shared  # where the first continuation begins
    logprobs, greedy = torch.zeros(len(rows), longest), torch.zeros(len(rows), longest).bool()
    cache = kept
    if cache is not None:
        cache = copy.deepcopy(kept)
        cache.batch_repeat_interleave(len(rows))
    for begin, end in _stretches(
        longest - 1, len(rows) * model.config.get_text_config().vocab_size
    ):
        wanted = end - max(begin, first - 1)  # logits before the first continuation tell nothing
        out = model(
            input_ids=ids[:, begin:end].to(model.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=max(wanted, 1),
        )
        cache = out.past_key_values
        if wanted > 0:
            place = slice(end - wanted + 1, end + 1)
            told = _of_tokens(out.logits.float().cpu(), ids[:, place])
            logprobs[:, place], greedy[:, place] = told
    return [
        (
            logprobs[i, len(prompt) - shared : len(whole)].tolist(),
            greedy[i, len(prompt) - shared : len(whole)].tolist(),
        )
        for i, ((prompt, _), whole) in enumerate(zip(rows, wholes, strict=True))
    ]


def _stretches(length: int, logits_a_position: int) -> Iterator[tuple[int, int]]:
    """[begin, end) stretches of `length` positions whose logits fit in memory."""
    step = max(_MOST_LOGITS // logits_a_position, 1)
    for begin in range(0, length, step):
        yield begin, min(begin + step, length)


def _of_tokens(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of tokens (B, L) under logits (B, L, V); which are the likeliest."""
    chosen = logits.gather(2, tokens.unsqueeze(2)).squeeze(2)
    return chosen - logits.logsumexp(2), logits.argmax(2) == tokens
