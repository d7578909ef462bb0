"""From text to tokens and back, by the rules that models/lm/__init__.py states."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.lm.config import Truncation

_SHOWN = 60  # characters of a text in an error


class TextCodec:
    """The tokenizer, chat template and special tokens of one model folder.

    Special tokens spelt out in a text (as a chat template does) are read as such.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ValueError when the folder holds no fast tokenizer (tokenizer.json)."""
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        if not (folder / "tokenizer.json").is_file():
            raise ValueError(f"{folder} holds no tokenizer.json: the model cannot be used on text")
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        assert isinstance(tokenizer, PreTrainedTokenizerFast)
        # Lengths are this module's business: the tokenizer would warn on its own idea of them.
        tokenizer.model_max_length = 2**62
        self._tokenizer: Any = tokenizer
        self.ends = _end_tokens(folder, tokenizer.eos_token_id)
        start = tokenizer.bos_token_id
        self.start: int | None = tokenizer.eos_token_id if start is None else start

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, never none: what has none is the start token alone.

        Raises ValueError for a text without tokens when the model has no start token either.
        """
        ids: list[int] = self._encoded(text)["input_ids"]
        return ids or [self._start()]

    def encode_piece(self, text: str) -> list[int]:
        """Tokens of a part of a text alone: no start token is added."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def encode_pair(self, prompt: str, continuation: str) -> tuple[list[int], int]:
        """Tokens of prompt + continuation, and the index at which the continuation's begin (>= 1).

        A token across the border counts as the continuation's.
        """
        encoded = self._encoded(prompt + continuation, return_offsets_mapping=True)
        ids: list[int] = encoded["input_ids"]
        ends = (end for _, end in encoded["offset_mapping"])
        begin = next((i for i, end in enumerate(ends) if end > len(prompt)), len(ids))
        if begin == 0:
            return [self._start(), *ids], 1
        return ids, begin

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def chat_prompt(self, user: str, system: str = "") -> str:
        """The model's own chat format, ready for the answer; without one, the two texts."""
        if not self._tokenizer.chat_template:
            return f"{system}\n\n{user}" if system else user
        said = [{"role": "system", "content": system}] if system else []
        return str(
            self._tokenizer.apply_chat_template(
                [*said, {"role": "user", "content": user}],
                tokenize=False,
                add_generation_prompt=True,
            )
        )

    def _encoded(self, text: str, return_offsets_mapping: bool = False) -> Any:
        # A chat template spells the start token out; a second one would be a different prompt.
        begun = self._tokenizer.bos_token
        return self._tokenizer(
            text,
            add_special_tokens=not (begun and text.startswith(begun)),
            return_offsets_mapping=return_offsets_mapping,
        )

    def _start(self) -> int:
        if self.start is None:
            raise ValueError("an empty prompt needs a start token, and this model has none")
        return self.start


def fit(ids: list[int], room: int, truncate: Truncation, what: str) -> list[int]:
    """`ids` within `room` tokens, cut at the end that `truncate` names.

    Raises ValueError saying what is too long, how long, and the limit.
    """
    if len(ids) <= room:
        return ids
    if truncate == "error" or room < 1:
        raise ValueError(
            f"{what} has {len(ids):,} tokens and there is room for {max(room, 0):,}: shorten it, "
            "or set truncate to left or right"
        )
    return ids[-room:] if truncate == "left" else ids[:room]


def excerpt(text: str) -> str:
    """The beginning of a text, quoted: what names it in an error."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the earliest stop string, and whether there was one."""
    places = [place for place in (text.find(s) for s in stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _end_tokens(folder: Path, eos: int | None) -> frozenset[int]:
    """Tokens that end a completion: the generation settings' and the tokenizer's."""
    found: list[int] = [] if eos is None else [eos]
    settings = folder / "generation_config.json"
    if settings.is_file():
        told = json.loads(settings.read_text("utf-8")).get("eos_token_id")
        found += told if isinstance(told, list) else [] if told is None else [told]
    return frozenset(found)
