"""A language model that has read something, and can be asked many things without reading it again.

Keys and values of the context are kept. What is asked comes in pieces that see the context and
themselves but not one another: all pieces of a batch are one sequence, so that the context is
neither copied nor read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.lm.transformers import TransformersModel
from models.tart.attending import Remembered, shared_context
from models.tart.remembering import roomy_cache


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
        if not tokens:
            return
        with suppress(Remembered):
            self._read(tokens, remember_only=True)

    def crop(self, length: int) -> None:
        """Forgets all but the first `length` tokens."""
        if length < self.length:
            self._cache.crop(length - self.length)  # a negative number: tokens to remove
        self.length = length

    def ask(self, pieces: Sequence[Sequence[int]]) -> list[Tensor]:
        """States of every piece, (L, N) each in float32, as if it alone followed the context."""
        states: list[Tensor] = []
        for batch in self._batches(pieces):
            states += self.ask_tree([(piece, -1) for piece in batch])
        return states

    def ask_tree(self, nodes: Sequence[tuple[Sequence[int], int]]) -> list[Tensor]:
        """States, (L, N) each, of the nodes (tokens, parent) that no other follows, in order.

        parent: the number of the earlier node that comes before this one, and so on up, or -1 for
        what follows the context itself; all that follows a node is listed before what does not.
        """
        tree = _Tree.of(nodes, self.length)
        self._check(max(tree.ends) - self.length)
        mark, places = self.length, {}
        if tree.inner:
            own = _spans([len(nodes[i][0]) for i in tree.inner])
            places = {
                i: slice(mark + at.start, mark + at.stop)
                for i, at in zip(tree.inner, own, strict=True)
            }
            with suppress(Remembered):
                self._read_pieces(nodes, tree, tree.inner, places, remember_only=True)
        out = self._read_pieces(nodes, tree, tree.leaves, places)
        lengths = [len(nodes[i][0]) for i in tree.leaves]
        self._cache.crop(-sum(len(tokens) for tokens, _ in nodes))
        return list(out.last_hidden_state[0].float().split(lengths))

    def log_probabilities(self, state: Tensor) -> Tensor:
        """log p of the next token, (V,), after a token of this state (N,)."""
        head = self._model.get_output_embeddings()
        return head(state.to(head.weight.dtype)).float().log_softmax(-1)

    def _read(self, tokens: Sequence[int], *, remember_only: bool = False) -> Any:
        self._check(len(tokens))
        places = torch.arange(self.length, self.length + len(tokens))
        self.length += len(tokens)
        return self._forward(tokens, places, remember_only=remember_only)

    def _read_pieces(
        self,
        nodes: Sequence[tuple[Sequence[int], int]],
        tree: _Tree,
        chosen: Sequence[int],
        places: Mapping[int, slice],
        *,
        remember_only: bool = False,
    ) -> Any:
        """One pass over the chosen nodes; places: where the keys of the inner ones lie."""
        own = _spans([len(nodes[i][0]) for i in chosen])
        shared = [(slice(0, own[-1].stop), slice(0, self.length))] if self.length else []
        for i, keys in places.items():
            below = [at for j, at in zip(chosen, own, strict=True) if i < j < tree.untils[i]]
            if below:
                shared.append((slice(below[0].start, below[-1].stop), keys))
        return self._forward(
            [token for i in chosen for token in nodes[i][0]],
            torch.cat(
                [torch.arange(tree.ends[i] - len(nodes[i][0]), tree.ends[i]) for i in chosen]
            ),
            own=own,
            shared=shared,
            remember_only=remember_only,
        )

    def _forward(self, tokens: Sequence[int], places: Tensor, **attention: Any) -> Any:
        if self._cache is None:
            self._cache = roomy_cache(self._model.config)
        device = self._model.device
        with shared_context(self._model):
            return self._model.base_model(
                input_ids=torch.tensor([list(tokens)], device=device),
                position_ids=places[None].to(device),
                past_key_values=self._cache,
                use_cache=True,
                **attention,
            )

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


class _Tree(NamedTuple):
    """How nodes hang together."""

    inner: list[int]  # nodes that others follow
    leaves: list[int]
    untils: list[int]  # nodes i + 1 .. untils[i] - 1 follow node i
    ends: list[int]  # place in the text where a node ends [tokens]

    @classmethod
    def of(cls, nodes: Sequence[tuple[Sequence[int], int]], begin: int) -> _Tree:
        ends: list[int] = []
        untils = [i + 1 for i in range(len(nodes))]
        for tokens, parent in nodes:
            ends.append((begin if parent < 0 else ends[parent]) + len(tokens))
        for i in reversed(range(len(nodes))):
            if nodes[i][1] >= 0:
                untils[nodes[i][1]] = max(untils[nodes[i][1]], untils[i])
        inner = [i for i, until in enumerate(untils) if until > i + 1]
        return cls(inner, [i for i, until in enumerate(untils) if until == i + 1], untils, ends)


def _spans(lengths: Sequence[int]) -> list[slice]:
    """Where pieces of these lengths lie in one row."""
    return [slice(end - n, end) for n, end in zip(lengths, accumulate(lengths), strict=True)]
