"""A language model that has read something, and can be asked many things without reading it again.

Keys and values of the context are kept. What is asked comes in pieces that see the context and
themselves but not one another: all pieces of a batch are one sequence under a block mask, so that
the context is neither copied nor read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from models.lm.transformers import TransformersModel


class Context:
    """Keys and values of a growing and shrinking prefix of one language model."""

    def __init__(self, model: TransformersModel, batch_tokens: int) -> None:
        """batch_tokens: most tokens of pieces asked at once; a longer piece goes alone."""
        self._model: Any = model.model
        self._limit = model.context
        self._batch_tokens = batch_tokens
        self._cache: Any = None
        self.length = 0

    def extend(self, tokens: Sequence[int]) -> Tensor:
        """Reads more: states of the new tokens, (L, N) in float32.

        Raises ValueError when the model's context is full.
        """
        self._check(len(tokens))
        out = self._model.base_model(
            input_ids=self._ids(tokens),
            position_ids=torch.arange(self.length, self.length + len(tokens))[None].to(
                self._model.device
            ),
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = out.past_key_values
        self.length += len(tokens)
        return out.last_hidden_state[0].float()

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

        parent: the number of an earlier node, or -1 for what follows the context itself. All are
        read in one pass.
        """
        ancestors = torch.eye(len(nodes), dtype=torch.bool)
        begins = torch.full((len(nodes),), self.length)
        for i, (_, parent) in enumerate(nodes):
            if parent >= 0:
                ancestors[i] |= ancestors[parent]
                begins[i] = begins[parent] + len(nodes[parent][0])
        return self._ask([tokens for tokens, _ in nodes], ancestors, begins)

    def log_probabilities(self, state: Tensor) -> Tensor:
        """log p of the next token, (V,), after a token of this state (N,)."""
        head = self._model.get_output_embeddings()
        return head(state.to(head.weight.dtype)).float().log_softmax(-1)

    def _ask(
        self, pieces: Sequence[Sequence[int]], ancestors: Tensor, begins: Tensor
    ) -> list[Tensor]:
        """Piece i sees the pieces of row i of `ancestors`, and begins at place `begins[i]`."""
        lengths = [len(piece) for piece in pieces]
        places = torch.cat([torch.arange(n) + b for n, b in zip(lengths, begins, strict=True)])
        self._check(int(places.max()) + 1 - self.length)
        out = self._model.base_model(
            input_ids=self._ids([token for piece in pieces for token in piece]),
            position_ids=places[None].to(self._model.device),
            attention_mask=self._mask(lengths, ancestors),
            past_key_values=self._cache,
            use_cache=self._cache is not None,
        )
        if self._cache is not None:
            self._cache.crop(-sum(lengths))
        return list(out.last_hidden_state[0].float().split(lengths))

    def _mask(self, lengths: Sequence[int], ancestors: Tensor) -> Tensor:
        """(1, 1, L, length + L), 0 where a token sees another: the context, and its ancestors."""
        owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
        seen = ancestors[owner][:, owner].tril()
        context = torch.ones(len(owner), self.length, dtype=torch.bool)
        shown = torch.cat((context, seen), dim=1)
        dtype = self._model.dtype
        mask = torch.zeros(shown.shape, dtype=dtype).masked_fill(~shown, torch.finfo(dtype).min)
        return mask[None, None].to(self._model.device)

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
