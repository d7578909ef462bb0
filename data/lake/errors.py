"""What can be wrong with a lake: each error is one line with what, where and the cure."""

import errno
import os

# The store cannot take more or must not be written: trying again does not help.
_UNWRITABLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file-size limit is reached",
    errno.EROFS: "it is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
}


class LakeError(Exception):
    """The lake cannot serve this call; the message is one clear line."""


class ContractError(LakeError):
    """Rows break the contract of their table; nothing was published."""


class DamagedError(LakeError):
    """A published file is gone or no longer what its commit record says."""


class UnwritableError(LakeError):
    """The lake's place cannot be written to: read-only, full, or not permitted."""


def unwritable(
    error: Exception, place: str, consequence: str = "nothing was published"
) -> UnwritableError | None:
    """The clear form of an error of the operating system that no retry can cure, else None.

    Libraries that hide the number (DuckDB) are known by the system's words in their message.
    """
    number = getattr(error, "errno", None)
    for code, reason in _UNWRITABLE.items():
        if number == code or (number is None and os.strerror(code) in str(error)):
            return UnwritableError(f"cannot write to the lake at {place}: {reason}; {consequence}")
    return None
