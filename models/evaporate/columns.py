"""From extracted strings to typed columns: integers, numbers, dates, lists and text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal

from models.evaporate.items import SEPARATOR, items_of

Kind = Literal["integer", "number", "date", "list", "text"]
Value = int | float | date | list[str] | str

_MOST = 0.95  # share of the values that must be of a kind
_LISTS = 0.5  # share of the values that must hold several items
_INTEGER = re.compile(r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,17}|0)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.[0-9]{1,15})?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")  # of a code, not of a number
# Forms in which no day can be taken for a month.
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y",
    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
)  # fmt: skip


def infer_kind(values: Sequence[str]) -> Kind:
    """The narrowest kind that nearly all values are of; text without values."""
    if not values:
        return "text"
    kinds: tuple[Kind, ...] = ("integer", "number", "date")
    for kind in kinds:
        if sum(convert(value, kind) is not None for value in values) >= _MOST * len(values):
            return kind
    several = sum(SEPARATOR in value for value in values)
    return "list" if several > _LISTS * len(values) else "text"


def convert(value: str, kind: Kind) -> Value | None:
    """The value as its column has it; None if it is not of the kind."""
    text = value.strip()
    match kind:
        case "integer":
            return int(text.replace(",", "")) if _INTEGER.fullmatch(text) else None
        case "number":
            if _LEADING_ZERO.match(text) or not _NUMBER.fullmatch(text):
                return None
            return float(text.replace(",", ""))
        case "date":
            return _date(text)
        case "list":
            return items_of(text)
        case "text":
            return value


def column_names(attributes: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """A column's name for every attribute: lower case, ASCII letters, digits and underscores.

    Names that would be taken twice, or are among `taken`, get a number behind them.
    """
    names: dict[str, str] = {}
    used = set(taken)
    for attribute in attributes:
        plain = slug(attribute) or "column"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        number, name = 2, plain
        while name in used:
            name, number = f"{plain}_{number}", number + 1
        used.add(name)
        names[attribute] = name
    return names


def slug(words: str) -> str:
    """Lower case, with an underscore for every run of other characters; "" if there are none."""
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:60].strip("_")


def wide_row(
    values: Mapping[str, str | None], kinds: Mapping[str, Kind]
) -> dict[str, Value | None]:
    """One document's values by attribute, each of its attribute's kind or None."""
    return {
        attribute: None if (value := values.get(attribute)) is None else convert(value, kind)
        for attribute, kind in kinds.items()
    }


def _date(text: str) -> date | None:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
