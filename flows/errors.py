"""Errors of the command line, each one clear line."""

import difflib
from collections.abc import Iterable


class CallError(Exception):
    """The call is wrong (exit code 2); the message says what would be right."""


class ServerError(Exception):
    """Server or worker did not come up (exit code 1); the message says where their output is."""


def meant(name: str, known: Iterable[str]) -> str:
    """The hint `, did you mean X?` where a known name is close to the one given, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
