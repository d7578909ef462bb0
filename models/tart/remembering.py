"""Keys and values of a context that grows and shrinks, in memory that is taken once.

transformers' own cache takes new memory for everything at every growth, which on a processor costs
more than the copy itself.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_SPARE = 2  # times what is needed


class _RoomyLayer(DynamicLayer):
    """What is told as `keys` and `values` is the beginning of larger tensors."""

    _rooms: list[Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Appends (B, K, L, N) and returns all so far, as views."""
        given = (key_states, value_states)
        begin = self.get_seq_length()
        end = begin + key_states.shape[2]
        if self._rooms is None:
            self.lazy_initialization(key_states, value_states)
        if self._rooms is None or end > self._rooms[0].shape[2]:
            rooms = [t.new_empty(*t.shape[:2], _SPARE * end, t.shape[3]) for t in given]
            for room, old in zip(rooms, (self.keys, self.values), strict=True):
                if begin and old is not None:
                    room[:, :, :begin] = old
            self._rooms = rooms
        for room, new in zip(self._rooms, given, strict=True):
            room[:, :, begin:end] = new
        self.keys, self.values = (room[:, :, :end] for room in self._rooms)
        return self.keys, self.values


def roomy_cache(config: Any) -> DynamicCache:
    """An empty cache for a model of this configuration."""
    cache = DynamicCache(config=config)
    cache.layers = [_RoomyLayer() for _ in cache.layers]  # type: ignore[no-untyped-call]
    return cache
