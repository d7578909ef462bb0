"""What the kernel forbids a process of untrusted code: resource limits, Landlock, seccomp.

Standard library only: it is imported by the worker, which sees no installed packages. Each wall
answers whether it stands, so that a machine without one can say so.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from typing import NamedTuple

_NO_NEW_PRIVS = 38  # prctl
_SET_SECCOMP = 22
_FILTER = 2
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446  # the same numbers on every architecture
_ASK_VERSION = 1

# Rights that Landlock knows of, by the version that brought them; a ruleset that handles a right
# and has no rule for it forbids it everywhere.
_FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))  # version: number of lowest bits
_TCP = (4, 0b11)  # bind, connect
_SCOPES = (6, 0b11)  # abstract UNIX sockets, signals to processes outside


class Calls(NamedTuple):
    """Numbers of one architecture: its own, that of `write`, and those of the calls left free."""

    arch: int
    write: int
    free: tuple[int, ...]


# System calls a running Python cannot do without, by number.
_CALLS = {
    "x86_64": Calls(
        arch=0xC000003E,
        write=1,
        free=(
            0, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 36, 38, 60, 96, 98, 131, 186, 202,
            228, 231, 318, 334,
        ),
    ),
    "aarch64": Calls(
        arch=0xC00000B7,
        write=64,
        free=(
            57, 62, 63, 80, 93, 94, 98, 102, 103, 113, 124, 132, 134, 135, 139, 165, 169, 178, 214,
            215, 216, 222, 226, 233, 278, 293,
        ),
    ),
}  # fmt: skip
# read close fstat lseek mmap mprotect munmap brk sigaction sigprocmask sigreturn sched_yield mremap
# madvise getitimer setitimer exit gettimeofday getrusage sigaltstack gettid futex clock_gettime
# exit_group getrandom rseq: no call that opens, sends, starts, signals or sleeps

_libc = ctypes.CDLL(None, use_errno=True)


def limit_resources(memory: int) -> bool:
    """Caps the address space at `memory` [bytes]; no file can grow, none be opened, no core left.

    Processes are capped too, which counts for all users but root.
    """
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(kind, (most, most))
    return True


def forbid_processes() -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def drop_privileges() -> bool:
    """No program started from here can gain rights; the two walls below need it."""
    return _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def close_files_and_network() -> int:
    """Landlock without a rule: no file, folder or TCP port can be opened; version, 0 without it."""
    version = _libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return 0
    bits = max(bits for since, bits in _FILE_RIGHTS if version >= since)
    attributes = struct.pack("Q", (1 << bits) - 1)
    for since, rights in (_TCP, _SCOPES):
        if version >= since:
            attributes += struct.pack("Q", rights)
    ruleset = _libc.syscall(
        _LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return 0
    try:
        done = _libc.syscall(_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return version if done == 0 else 0


def allow_calls_of_arithmetic(answers: int) -> bool:
    """Seccomp: all but memory, clocks and writing to file descriptor `answers` fails with EPERM."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return False
    program = _program(calls, answers)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    return _libc.prctl(_SET_SECCOMP, _FILTER, header, 0, 0) == 0


def _program(calls: Calls, answers: int) -> bytes:
    """The filter in the kernel's byte code: (operation, jump if true, jump if false, value)."""
    load, equal, give = 0x20, 0x15, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000  # refuse: errno EPERM
    n = len(calls.free)
    lines = [
        (load, 0, 0, 4),  # the architecture: other tables of numbers must not be spoken
        (equal, 1, 0, calls.arch),
        (give, 0, 0, kill),
        (load, 0, 0, 0),  # the call's number
        *((equal, n - i + 3, 0, number) for i, number in enumerate(calls.free)),
        (equal, 0, 2, calls.write),
        (load, 0, 0, 16),  # its first argument, lower half
        (equal, 1, 0, answers),
        (give, 0, 0, refuse),
        (give, 0, 0, allow),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
