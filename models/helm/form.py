"""The form of HELM's values: what each should be, told in words where it is not.

The functions named `a_...` return the value they are given, and raise FormError when it is not what
they are named after; `what` names it in the message.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

LARGEST = 1 << 53  # counts beyond it are no counts, and floats no longer tell them apart


class FormError(ValueError):
    """An entry without HELM's form."""


def canonical(value: object) -> str:
    """JSON text that is the same for the same value, whatever the order of its keys.

    Raises ValueError for integers beyond 64 bits and for text that is no Unicode.
    """
    return as_json(value, orjson.OPT_SORT_KEYS)


def as_json(value: object, option: int | None = None) -> str:
    try:
        return orjson.dumps(value, option=option).decode()
    except orjson.JSONEncodeError as error:
        raise FormError(f"a value that no JSON writer takes ({error})") from error


def an_object(value: object, what: str) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise FormError(_wrong(what, "an object", value))
    return value


def a_list(value: object, what: str) -> list[Any]:
    if type(value) is not list:
        raise FormError(_wrong(what, "an array", value))
    return value


def a_text(value: object, what: str) -> str:
    if type(value) is not str:
        raise FormError(_wrong(what, "text", value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise FormError(f"{what}: half a surrogate pair, which is no Unicode text") from error
    return value


def a_text_or_none(value: object, what: str) -> str | None:
    return None if value is None else a_text(value, what)


def a_count(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value < LARGEST:
        raise FormError(_wrong(what, "a whole number from 0 on", value))
    return value


def a_flag(value: object, what: str) -> bool:
    if type(value) is not bool:
        raise FormError(_wrong(what, "true or false", value))
    return value


def a_number(value: object, what: str) -> float:
    if type(value) is float or type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise FormError(_wrong(what, "a finite number", value))


def a_number_or_none(value: object, what: str) -> float | None:
    return None if value is None else a_number(value, what)


def _wrong(what: str, wanted: str, value: object) -> str:
    if value is None:
        return f"{what} is missing: {wanted} is needed"
    shown = repr(value)[:40].encode("utf-8", "replace").decode()
    return f"{what} should be {wanted}, is {shown}"
