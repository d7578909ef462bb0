"""Reasoning heads that come trained with the project: weights and a card for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parents[1] / "weights"
_HEADS = "tart-*.json"


def shipped_names() -> list[str]:
    """The heads that are there, by name."""
    return sorted(path.stem.removeprefix("tart-") for path in WEIGHTS.glob(_HEADS))


def shipped_card(name: str) -> Mapping[str, Any]:
    """What a head is: recipe, steps, seeds, measured figures, licence.

    Raises ValueError, naming those there are, for an unknown name.
    """
    path = WEIGHTS / f"tart-{name}.json"
    if not path.is_file():
        there = ", ".join(shipped_names()) or "none"
        raise ValueError(f"no reasoning head {name!r} comes with the project (there: {there})")
    card: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return card


def shipped_weights(name: str) -> bytes:
    """The weights as a safetensors file, verified against the card.

    Raises ValueError for an unknown name, and for a file that is not the one of the card.
    """
    card = shipped_card(name)
    path = WEIGHTS / f"tart-{name}.safetensors"
    weights = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(weights).hexdigest() != card["sha256"]:
        raise ValueError(f"{path} is not the file its card tells of: check it out again")
    return weights
