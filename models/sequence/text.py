"""Text as sequences: byte-level BPE, characters, and windows that a model is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from models.sequence.scores import IGNORED, Examples

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "<|endoftext|>"  # token 0 of every vocabulary made here
Units = Literal["bpe", "bytes"]


def train_tokenizer(text: str, units: Units, vocabulary: int) -> Tokenizer:
    """A byte-level tokenizer of `vocabulary` tokens fitted to a text; units "bytes": 257 of them.

    Raises ValueError for a vocabulary below the bytes and the end token.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if vocabulary < 257:
        raise ValueError(f"a byte-level vocabulary holds at least 257 tokens, not {vocabulary}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=257 if units == "bytes" else vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def windows(tokens: list[int], length: int) -> Examples:
    """Stretches of `length` tokens without overlap and what follows each token; the rest is left.

    Raises ValueError for fewer tokens than one window and its last target take.
    """
    n = (len(tokens) - 1) // length
    if n < 1:
        raise ValueError(f"a text of {len(tokens)} tokens has no window of {length}")
    ids = torch.tensor(tokens[: n * length + 1])
    return Examples(ids[:-1].view(n, length), ids[1:].view(n, length))


def scored_windows(tokens: list[int], length: int) -> Examples:
    """Windows of `length` that overlap by half: a token is scored with half a window before it.

    The first half of the first window counts too, so that every token but the first is scored once.
    """
    half = max(length // 2, 1)
    starts = range(0, max(len(tokens) - 1 - length, 0) + 1, half)
    ids = torch.tensor(tokens)
    inputs = torch.stack([ids[i : i + length] for i in starts])
    targets = torch.stack([ids[i + 1 : i + 1 + length] for i in starts])
    targets[1:, : length - half] = IGNORED
    return Examples(inputs, targets)
