"""The pattern that a column's values share: "K" and six digits, "21 CFR" and a section, "Class II".

A pattern is learned from example values, is data (a list of runs), matches in linear time, and
writes what it found the way the examples are written: same separators, same case, and the constant
words too where a document leaves them out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

SEPARATOR = "; "  # between the items of a list
MAX_RUNS = 8
MAX_RUN = 40  # characters

_LIST = re.compile(r"\s*;\s+|\s*;$")
_RUN = re.compile(r"[A-Za-z]+|[0-9]+")
_FEW = 4  # different characters that count as an alphabet of their own, as the "I" of classes I-III


class Item(NamedTuple):
    """An item as it is written in the examples, and where it was found."""

    value: str
    start: int
    end: int


class Run(BaseModel, frozen=True, extra="forbid"):
    """Digits or letters without a gap; `before` is what separates them from the run before."""

    kind: Literal["digits", "letters", "constant"]
    text: str = Field("", max_length=MAX_RUN, pattern="^[A-Za-z0-9]*$")  # of a constant
    low: int = Field(1, ge=1, le=MAX_RUN)
    high: int = Field(1, ge=1, le=MAX_RUN)
    alphabet: str = Field("", pattern="^[A-Z]*$")  # the only letters allowed; none: all
    upper: bool = False
    before: str = Field("", max_length=8)


class ItemPattern(BaseModel, frozen=True, extra="forbid"):
    """Runs in a row. `strict`: constants must be there, upper case must be upper case."""

    runs: tuple[Run, ...] = Field(min_length=1, max_length=MAX_RUNS)
    strict: bool
    closing: str = Field("", max_length=4)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Linear: every run is possessive and bounded, and so is what may stand between runs."""
        parts = [r"(?<![^\W_])"]
        for number, run in enumerate(self.runs):
            # A separator may be lost or doubled on the page, but not where there was none.
            gap = "" if number == 0 else r"[^\w\n]{0,4}+" if run.before else r"[ ]?+"
            optional = run.kind == "constant" and not self.strict and self._may_lack(number)
            parts.append(f"(?:{gap}({self._class_of(run)}))" + ("?" if optional else ""))
        return re.compile("".join(parts) + r"(?![^\W_])")

    def find(self, text: str, start: int, end: int) -> Iterator[Item]:
        """The items in text[start:end], in order."""
        for found in self.regex.finditer(text, start, end):
            written = "".join(
                run.before + self._written(run, found[number])
                for number, run in enumerate(self.runs, start=1)
            )
            begin = next(found.start(n) for n, text in enumerate(found.groups(), 1) if text)
            yield Item(written.strip() + self.closing, begin, found.end())

    def _may_lack(self, number: int) -> bool:
        """Whether a constant is a word of its own, and something else is left to go by."""
        following = self.runs[number + 1 : number + 2]
        alone = bool(following and following[0].before)
        return alone and any(run.kind != "constant" for run in self.runs)

    def _class_of(self, run: Run) -> str:
        if run.kind == "constant":
            return re.escape(run.text) if self.strict else f"(?i:{re.escape(run.text)})"
        if run.kind == "digits":
            return rf"[0-9]{{{run.low},{run.high}}}+"
        letters = run.alphabet or ("A-Z" if run.upper else "A-Za-z")
        return rf"[{letters}]{{{run.low},{run.high}}}+"

    def _written(self, run: Run, found: str | None) -> str:
        if run.kind == "constant" or found is None:
            return run.text
        return found.upper() if run.upper else found


def items_of(value: str) -> list[str]:
    """The items of a list value, parted by semicolons; a plain value is one item."""
    return [item for item in _LIST.split(value.strip()) if item]


def learn_pattern(values: Sequence[str], strict: bool) -> ItemPattern | None:
    """The pattern of most items of these values; None if they have none in common.

    Nine in ten items must be of one form. A pattern of constants alone, or of letters in mixed case
    only, tells nothing and is None.
    """
    items = [item for value in values for item in items_of(value)]
    forms = Counter(form for item in items if (form := _form(item)))
    if not forms or sum(forms.values()) < 0.9 * len(items):
        return None
    form, count = forms.most_common(1)[0]
    if count < 0.9 * len(items):
        return None
    matching = [_RUN.findall(item) for item in items if _form(item) == form]
    kinds, befores, closing = form
    runs = [
        _run([words[i] for words in matching], kinds[i] == "9", befores[i])
        for i in range(len(kinds))
    ]
    telling = any(
        run.kind == "digits" or (run.kind == "letters" and run.upper and run.high <= 8)
        for run in runs
    )
    return ItemPattern(runs=tuple(runs), strict=strict, closing=closing) if telling else None


def _form(item: str) -> tuple[str, tuple[str, ...], str] | None:
    """Kinds of the runs, separators before them, and what follows the last; None without a form."""
    found = list(_RUN.finditer(item))
    if not found or len(found) > MAX_RUNS or found[0].start() > 2:
        return None
    ends = [0, *(run.end() for run in found)]
    befores = tuple(item[end : run.start()] for end, run in zip(ends, found, strict=False))
    closing = item[ends[-1] :]
    short = all(len(before) <= 4 for before in befores) and len(closing) <= 2
    if not short or any(len(run[0]) > MAX_RUN for run in found):
        return None
    return "".join("9" if run[0].isdigit() else "a" for run in found), befores, closing


def _run(words: Sequence[str], digits: bool, before: str) -> Run:
    sizes = [len(word) for word in words]
    if len(set(words)) == 1 and len(words) > 1:
        return Run(kind="constant", text=words[0], before=before)
    if digits:
        # Lengths that vary vary further than ten examples show.
        low, high = (min(sizes), max(sizes)) if len(set(sizes)) == 1 else (1, max(sizes) + 2)
        return Run(kind="digits", low=low, high=min(high, MAX_RUN), before=before)
    upper = all(word.isupper() for word in words)
    letters = "".join(sorted(set("".join(words))))
    few = upper and len(letters) <= _FEW and len(words) > _FEW
    return Run(
        kind="letters",
        low=min(sizes),
        # Roman numerals and the like: the longest one may not be among ten examples.
        high=max(sizes) + 1 if few else max(sizes),
        alphabet=letters if few else "",
        upper=upper,
        before=before,
    )
