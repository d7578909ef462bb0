"""Errors of the command line, each one clear line."""


class CallError(Exception):
    """The call is wrong (exit code 2); the message says what would be right."""


class ServerError(Exception):
    """Server or worker did not come up (exit code 1); the message says where their output is."""
