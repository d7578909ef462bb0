"""The process that runs untrusted functions. Standard library only, started without site packages.

It keeps the documents it was sent and, for every function, forks a child that has them already,
gives up the last rights and runs. So a function that dies takes nobody along, no function sees
what another did, and documents travel once however many functions there are.

    request  (standard input)   {"texts": [...]}                       replace the documents
                                {"source", "name", "seconds"}          run a function on them all
    control  (standard output)  {"kept": n}, {"pid": p}, {"status": s} from this process
    answers  (a third pipe)     one message a document, in order       from the child
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import select
import signal
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any, NoReturn

from models.evaporate.sandbox import frames, walls
from models.evaporate.sandbox.gate import BUILTINS, OFFERED

MAX_CHARACTERS = 65_536  # of one document's values together
MAX_VALUES = 256
MAX_LATE = 2  # documents a function may be late on; the paper's
_REQUESTS, _CONTROL = 0, 1
_CPU_SECONDS = 600  # of one function over one lot of documents, should nobody be left to kill it
_ECHO = 0.05  # seconds after which an alarm that was caught rings again


class _TimeUp(BaseException):
    """The document's seconds are over."""


class _Offered:
    """A module as functions see it: the names it offers, none of them to be changed."""

    __slots__ = ("_names",)

    def __init__(self, names: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_names", names)

    def __getattribute__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_names")[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} is read-only")


def main(answers: int, memory: int) -> None:
    """Serves requests until they end. answers: file descriptor; memory: address space [bytes]."""
    offered = _offered()
    level = {
        "limits": walls.limit_resources(memory),
        "no_new_privs": walls.drop_privileges(),
        "landlock": walls.close_files_and_network(),
    }
    frames.write(_CONTROL, frames.encode(level | {"seccomp": _seccomp_stands(answers)}))
    texts: list[str] = []
    while (request := frames.read_one(_REQUESTS)) is not None:
        if "texts" in request:
            texts = request["texts"]
            gc.freeze()  # a child that collects would copy every page
            frames.write(_CONTROL, frames.encode({"kept": len(texts)}))
            continue
        child = os.fork()
        if child == 0:
            _become_harmless(answers)
            _run(request, texts, offered, answers)
            os._exit(0)
        frames.write(_CONTROL, frames.encode({"pid": child}))
        frames.write(_CONTROL, frames.encode({"status": _awaited(child)}))


def _awaited(child: int) -> int:
    """The child's exit status. If our own parent goes first, child and worker go as well."""
    done = os.pidfd_open(child)
    ready, _, _ = select.select([done, _REQUESTS], [], [])
    os.close(done)
    if _REQUESTS in ready:  # nobody asks while a function runs: the pipe has been closed
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become_harmless(answers: int) -> bool:
    """Gives up what the worker needs and a function does not; whether the system calls are shut."""
    os.close(_REQUESTS)
    os.close(_CONTROL)
    signal.signal(signal.SIGALRM, _ring)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    walls.forbid_processes()
    walls.close_files_and_network()  # once more: now signals to the worker are outside as well
    return walls.allow_calls_of_arithmetic(answers)


def _seccomp_stands(answers: int) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if _become_harmless(answers) else 1)
    return os.waitpid(child, 0)[1] == 0


def _ring(number: int, frame: FrameType | None) -> NoReturn:
    raise _TimeUp


def _run(
    request: Mapping[str, Any], texts: list[str], offered: Mapping[str, _Offered], answers: int
) -> None:
    """One message a document: {"v": values}, {"e": error} or {"late": true}."""
    late = 0
    code = compile(request["source"], "<function>", "exec")
    names = _builtins(offered)
    for text in texts:
        try:
            message = _answer(code, request["name"], text, names, request["seconds"])
        except _TimeUp:  # between the function's end and the end of its seconds
            message = {"late": True}
        frames.write(answers, frames.encode(message))
        late += "late" in message
        if late == MAX_LATE:
            return


def _answer(
    code: CodeType, name: str, text: str, builtins: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """The function's answer on one text, its module made anew so that nothing is remembered."""
    module = {"__builtins__": builtins.copy(), "__name__": "function"}
    signal.setitimer(signal.ITIMER_REAL, seconds, _ECHO)
    try:
        exec(code, module)
        return {"v": _plain(module[name](text))}  # type: ignore[operator]
    except _TimeUp:
        return {"late": True}
    except MemoryError:
        return {"e": "MemoryError: out of memory"}
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return {"e": _words(error)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _plain(found: object) -> list[str]:
    """What a function returned as a list of strings, empty ones and repetitions left out."""
    if found is None:
        return []
    if isinstance(found, str | int | float):
        found = [found]
    if isinstance(found, set | frozenset):
        found = sorted(found, key=str)
    if not isinstance(found, list | tuple):
        raise TypeError(f"a function returns a list of strings, not {type(found).__name__}")
    if len(found) > MAX_VALUES:
        raise ValueError(f"{len(found)} values for one document, at most {MAX_VALUES} are read")
    values: dict[str, None] = {}
    size = 0
    for one in found:
        if one is None:
            continue
        if not isinstance(one, str | int | float):
            raise TypeError(f"a value is a string, not {type(one).__name__}")
        whole = str(one)
        size += len(whole)
        if size > MAX_CHARACTERS:
            raise ValueError(f"values of more than {MAX_CHARACTERS} characters for one document")
        if value := whole.strip():
            values[value] = None
    return list(values)


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:200]
    except BaseException:
        return "an error without words"


def _builtins(offered: Mapping[str, _Offered]) -> dict[str, Any]:
    import builtins

    def offer(name: str, *_: object, **__: object) -> _Offered:
        if name not in offered:
            raise ImportError(f"no module {name}")
        return offered[name]

    names = {name: getattr(builtins, name) for name in BUILTINS}
    return names | {"__import__": offer, "print": lambda *_, **__: None}


def _offered() -> dict[str, _Offered]:
    importlib.import_module("_strptime")  # datetime.strptime would look for its file
    modules = {name: importlib.import_module(name) for name in OFFERED}
    "".encode("idna"), "".encode("ascii"), "".encode("latin-1"), "".encode("utf-16")
    return {
        name: _Offered({one: getattr(modules[name], one) for one in names})
        for name, names in OFFERED.items()
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
