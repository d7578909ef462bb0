"""Which tokens of the prompt speak of which layer, and words that were learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.collage.parts import Parts

NO_LAYER = -1


class Prompt(NamedTuple):
    """A prompt as numbers, and the layer that each of them speaks of."""

    ids: Tensor  # (tokens,), padded; from the vocabulary's size on: learned words
    layer: Tensor  # (tokens,): number of a layer from 0, or NO_LAYER


def read_prompt(
    parts: Parts, prompt: str, texts: Sequence[str], learned: Sequence[Sequence[int]] = ()
) -> Prompt:
    """Finds every layer's words in the prompt; puts its learned words before them.

    texts: words of the layers; the k-th layer with the same words gets their k-th occurrence.
    Longer texts choose first, so that "apple" does not take the apple of a "red apple".
    learned: for every layer the rows of its learned words, none where it has none.
    Raises ValueError for words that the prompt lacks, or has too few times.
    """
    ids = parts.tokenizer(prompt, add_special_tokens=False).input_ids
    spans = _spans(parts, ids, texts, prompt)
    added = learned or [()] * len(texts)
    first_new = parts.text_encoder.config.vocab_size
    tokens: list[int] = []
    layer: list[int] = []
    for i, token in enumerate(ids):
        for k, (begin, _) in enumerate(spans):
            if i == begin:
                tokens += [first_new + row for row in added[k]]
                layer += [k] * len(added[k])
        tokens.append(token)
        layer.append(next((k for k, (b, e) in enumerate(spans) if b <= i < e), NO_LAYER))
    return _padded(parts, tokens, layer, prompt)


def _spans(
    parts: Parts, ids: Sequence[int], texts: Sequence[str], prompt: str
) -> list[tuple[int, int]]:
    """Begin and end of every layer's words among the prompt's tokens."""
    wanted = [parts.tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    taken: set[int] = set()
    spans: dict[int, tuple[int, int]] = {}
    for k in sorted(range(len(texts)), key=lambda k: -len(wanted[k])):  # stable: keeps the order
        n = len(wanted[k])
        starts = [
            i
            for i in range(len(ids) - n + 1)
            if n and ids[i : i + n] == wanted[k] and taken.isdisjoint(range(i, i + n))
        ]
        if not starts:
            times = sum(text == texts[k] for text in texts)
            often = f" {times} times, once for each of its layers" if times > 1 else ""
            raise ValueError(
                f"layer {k + 1}: the prompt {prompt!r} does not hold its words {texts[k]!r}{often}"
            )
        spans[k] = (starts[0], starts[0] + n)
        taken.update(range(*spans[k]))
    return [spans[k] for k in range(len(texts))]


def _padded(parts: Parts, tokens: list[int], layer: list[int], prompt: str) -> Prompt:
    tokenizer = parts.tokenizer
    longest, n = tokenizer.model_max_length, len(tokens) + 2
    if n > longest:
        raise ValueError(f"prompt of {n} tokens, more than {longest}: {prompt[:60]!r}")
    rest = longest - n
    return Prompt(
        torch.tensor(
            [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id]
            + [tokenizer.pad_token_id] * rest
        ),
        torch.tensor([NO_LAYER, *layer, NO_LAYER] + [NO_LAYER] * rest),
    )


class _Extended(nn.Module):
    """An embedding with rows after its last, which are not its own."""

    def __init__(self, plain: nn.Embedding, rows: Tensor) -> None:
        super().__init__()
        self.plain = plain
        self.rows = rows

    def forward(self, ids: Tensor) -> Tensor:
        size = self.plain.weight.shape[0]
        known = self.plain(ids.clamp(max=size - 1))
        new = self.rows[(ids - size).clamp(min=0)]
        return torch.where((ids >= size)[..., None], new, known)


@contextmanager
def learned_words(parts: Parts, rows: Tensor | None) -> Iterator[None]:
    """Lets the text encoder read learned words: row r (R, width) as number vocabulary size + r.

    Neither tokenizer nor weights change; afterwards all is as before.
    """
    if rows is None:
        yield
        return
    plain = parts.text_encoder.get_input_embeddings()
    parts.text_encoder.set_input_embeddings(_Extended(plain, rows))
    try:
        yield
    finally:
        parts.text_encoder.set_input_embeddings(plain)
