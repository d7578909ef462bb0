"""A language model that has read something, and can be asked many things without reading it again.

Keys and values of the context are kept. What is asked comes in pieces that see the context and
themselves but not one another: all pieces of a batch are one sequence in branches, so that the
context is neither copied nor read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from models.lm.transformers import TransformersModel
from models.tart.attending import Node, Remembered, shared_context


class Context:
    """Keys and values of a growing and shrinking prefix of one language model."""

    def __init__(self, model: TransformersModel, batch_tokens: int) -> None:
        """batch_tokens: most tokens of pieces asked at once; a longer piece goes alone."""
        self._model: Any = model.model
        self._width = int(self._model.config.get_text_config().hidden_size)
        self._limit = model.context
        self._batch_tokens = batch_tokens
        self._cache: Any = None
        self.length = 0

    def extend(self, tokens: Sequence[int]) -> Tensor:
        """Reads more: states of the new tokens, (L, N) in float32.

        Raises ValueError when the model's context is full.
        """
        if not tokens:
            return torch.empty(0, self._width, device=self._model.device)
        states: Tensor = self._read(tokens).last_hidden_state[0].float()
        return states

    def remember(self, tokens: Sequence[int]) -> None:
        """Reads more whose own states nobody wants: most of the last layer is not computed."""
        with suppress(Remembered):
            self._read(tokens, remember_only=True)

    def crop(self, length: int) -> None:
        """Forgets all but the first `length` tokens."""
        if length == 0:
            self._cache = None
        elif length < self.length:
            self._cache.crop(length - self.length)  # a negative number: tokens to remove
        self.length = length

    def ask(self, pieces: Sequence[Sequence[int]]) -> list[Tensor]:
        """States of every piece, (L, N) each in float32, as if it alone followed the context."""
        states: list[Tensor] = []
        for batch in self._batches(pieces):
            states += self.ask_tree([(piece, -1) for piece in batch])
        return states

    def ask_tree(self, nodes: Sequence[tuple[Sequence[int], int]]) -> list[Tensor]:
        """States of (tokens, parent) nodes, (L, N) each: a node follows its parent, and so on up.

        parent: the number of an earlier node, or -1 for what follows the context itself; all that
        follows a node comes before what does not. All are read in one pass.
        """
        lengths = [len(tokens) for tokens, _ in nodes]
        begins: list[int] = []
        for _, parent in nodes:
            begins.append(self.length if parent < 0 else begins[parent] + lengths[parent])
        places = torch.cat([torch.arange(n) + b for n, b in zip(lengths, begins, strict=True)])
        self._check(int(places.max()) + 1 - self.length)
        with shared_context(self._model):
            out = self._model.base_model(
                input_ids=self._ids([token for tokens, _ in nodes for token in tokens]),
                position_ids=places[None].to(self._model.device),
                past_key_values=self._cache,
                use_cache=self._cache is not None,
                nodes=_placed(lengths, [parent for _, parent in nodes]),
            )
        if self._cache is not None:
            self._cache.crop(-sum(lengths))
        return list(out.last_hidden_state[0].float().split(lengths))

    def log_probabilities(self, state: Tensor) -> Tensor:
        """log p of the next token, (V,), after a token of this state (N,)."""
        head = self._model.get_output_embeddings()
        return head(state.to(head.weight.dtype)).float().log_softmax(-1)

    def _read(self, tokens: Sequence[int], *, remember_only: bool = False) -> Any:
        from transformers import DynamicCache

        self._check(len(tokens))
        if self._cache is None:
            self._cache = DynamicCache(config=self._model.config)
        places = torch.arange(self.length, self.length + len(tokens))[None]
        self.length += len(tokens)
        with shared_context(self._model):
            return self._model.base_model(
                input_ids=self._ids(tokens),
                position_ids=places.to(self._model.device),
                past_key_values=self._cache,
                use_cache=True,
                remember_only=remember_only,
            )

    def _ids(self, tokens: Sequence[int]) -> Tensor:
        return torch.tensor([list(tokens)], device=self._model.device)

    def _check(self, more: int) -> None:
        if self.length + more > self._limit:
            raise ValueError(
                f"the examples take {self.length:,} tokens and {more:,} more are asked for, the "
                f"model reads {self._limit:,}: give fewer examples or fewer characters of each text"
            )

    def _batches(self, pieces: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        batch: list[Sequence[int]] = []
        for piece in pieces:
            if batch and sum(map(len, batch)) + len(piece) > self._batch_tokens:
                yield batch
                batch = []
            batch.append(piece)
        if batch:
            yield batch


def _placed(lengths: Sequence[int], parents: Sequence[int]) -> list[Node]:
    """Where each node and what follows it lies in a pass over all of them."""
    ends = list(accumulate(lengths))
    lasts = ends.copy()
    for i in reversed(range(len(parents))):
        if parents[i] >= 0:
            lasts[parents[i]] = max(lasts[parents[i]], lasts[i])
    return [Node(e - n, e, last) for n, e, last in zip(lengths, ends, lasts, strict=True)]
