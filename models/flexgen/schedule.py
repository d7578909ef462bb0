"""The zig-zag block schedule (sec. 4.1, algorithm 1): for every token, layer and batch of a block.

A layer's weights stay while all batches of the block pass it, so they are read once a token for
the whole block; what a batch needs is fetched while the one before it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Step(NamedTuple):
    """One square of the grid."""

    token: int  # i; 0 is the prefill
    layer: int  # j
    batch: int  # k


class Threads(Protocol):
    """The six logical threads and the barrier. Calls begin work; `synchronize` waits for it."""

    def load_weight(self, step: Step) -> None:
        """Begins to fetch the weights of the step's layer."""
        ...

    def load_cache(self, step: Step) -> None:
        """Begins to fetch the keys and values before the step's token."""
        ...

    def store_cache(self, step: Step) -> None:
        """Begins to put the step's new keys and values where they live."""
        ...

    def load_activation(self, step: Step) -> None:
        """Begins to fetch the hidden states the step works on."""
        ...

    def store_activation(self, step: Step) -> None:
        """Begins to put the step's hidden states where they live."""
        ...

    def compute(self, step: Step) -> None:
        """Computes the step, with what was fetched for it."""
        ...

    def synchronize(self, layer_ends: bool) -> None:
        """Waits for what was begun; for weights only where a layer ends."""
        ...

    def finished(self) -> bool:
        """Whether no sequence of the block goes on."""
        ...


def zigzag(tokens: int, layers: int, batches: int, threads: Threads) -> Iterator[int]:
    """Runs a block; yields the number of every token step when it is done."""
    before: Step | None = None
    threads.load_weight(Step(0, 0, 0))
    threads.synchronize(layer_ends=True)
    for token in range(tokens):
        for layer in range(layers):
            for batch in range(batches):
                step = Step(token, layer, batch)
                after = following(step, tokens, layers, batches)
                if batch == 0:
                    coming = following(Step(token, layer, batches - 1), tokens, layers, batches)
                    if coming is not None:
                        threads.load_weight(coming)
                if before is not None:
                    threads.store_activation(before)
                    threads.store_cache(before)
                if after is not None:
                    threads.load_cache(after)
                    if batches > 1:  # else it is what this very step computes
                        threads.load_activation(after)
                threads.compute(step)
                threads.synchronize(layer_ends=batch == batches - 1)
                before = step
        yield token
        if threads.finished():
            return


def following(step: Step, tokens: int, layers: int, batches: int) -> Step | None:
    """The next square: batches first, then layers, then tokens; None after the last."""
    token, layer, batch = step
    if batch + 1 < batches:
        return Step(token, layer, batch + 1)
    if layer + 1 < layers:
        return Step(token, layer + 1, 0)
    return Step(token + 1, 0, 0) if token + 1 < tokens else None
