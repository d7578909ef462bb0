"""The text of examples and queries as tokens, with every span known from how it was put together.

    Sentence: {text}\\nLabel: {label}\\n        an example: what is asked, then its label
    Sentence: {text}\\nLabel:                  a query

The paper's template. Pieces are tokenized one by one and joined as tokens, so that a text that
contains "Label:" or a label itself moves no border, and a label may take several tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.lm.text import TextCodec, excerpt

# What "no content" looks like to calibrated in-context learning (Zhao et al., 2021).
CONTENT_FREE = ("N/A", "", "[MASK]")


@dataclass(frozen=True)
class Example:
    """One labelled text as tokens: the representation is that of `asked`, before the label."""

    asked: tuple[int, ...]
    label: tuple[int, ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.asked + self.label


class Template:
    """Texts and labels of one task to tokens."""

    def __init__(self, codec: TextCodec, classes: Sequence[str], characters: int) -> None:
        """characters: how much of a text is read, from its beginning.

        Raises ValueError when labels cannot be told apart by their first differing token.
        """
        self._codec = codec
        self._characters = characters
        labels = [tuple(codec.encode_piece(f" {name}\n")) for name in classes]
        self.labels = dict(zip(classes, labels, strict=True))
        shared = 0
        while len({label[: shared + 1] for label in labels}) == 1:
            shared += 1
        self.shared = labels[0][:shared]  # what every label begins with
        self.telling = [label[shared] for label in labels]  # the token that tells it from others
        if len(set(self.telling)) < len(labels):
            raise ValueError(
                f"labels {', '.join(map(repr, classes))} do not differ in one token for this "
                "model: rename them so that they begin differently"
            )

    def asked(self, text: str) -> tuple[int, ...]:
        """Tokens of a query, up to where its label would begin; its lines are joined to one."""
        cut = " ".join(text.split())[: self._characters].strip()
        return tuple(self._codec.encode_piece(f"Sentence: {cut}\nLabel:"))

    def example(self, text: str, label: str) -> Example:
        """Raises ValueError for an empty text or an unknown label."""
        if not text.strip():
            raise ValueError(f"an example of {label!r} has an empty text: drop it")
        if label not in self.labels:
            raise ValueError(
                f"label {label!r} of text {excerpt(text)} is not one of "
                f"{', '.join(map(repr, self.labels))}"
            )
        return Example(self.asked(text), self.labels[label])

    def truncated(self, text: str) -> bool:
        """Whether a part of the text is not read."""
        return len(" ".join(text.split())) > self._characters
