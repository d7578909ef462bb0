"""What a command that lives for a second does not load."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa


class _NoPandas:
    """An import hook that says pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            raise ImportError("pandas is not looked for")


def without_pandas() -> None:
    """Lets pyarrow make its first array without pandas, which it loads to ask whether it was given
    a Series. That costs a quarter of a second; who needs pandas later still gets it."""
    if "pandas" in sys.modules:
        return
    hook = _NoPandas()
    sys.meta_path.insert(0, hook)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hook)
