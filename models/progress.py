"""How long work tells where it is without knowing who listens."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as progress(done, total), as often as the work likes."""


def silent(done: int, total: int) -> None:
    """Reports nothing: the default of every `progress`."""
