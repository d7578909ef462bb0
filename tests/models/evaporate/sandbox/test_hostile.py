"""Hostile functions: nothing leaves the sandbox, nothing stops the run, the culprit is named.

Two kinds. Those that the gate admits, which misbehave in plain Python; and those that would be
refused but are run all the same, as if the gate had a hole, to try the walls behind it.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.evaporate.config import SandboxConfig
from models.evaporate.sandbox.gate import Admitted, admit
from models.evaporate.sandbox.runner import Run, Sandbox

HONEST = admit("def f(text):\n    return [text.upper()]\n")
TEXTS = ["red", "green", "blue"]
SECONDS = 0.3

# The classic way out: any object leads to all classes, one of them to the module `os`.
ESCAPED = """
def f(text):
    for c in ().__class__.__base__.__subclasses__():
        if c.__name__ == "_wrap_close":
            inner = c.__init__.__globals__
            everything = inner["__builtins__"]
            return attack(text, inner, everything["__import__"], everything)
def attack(text, os, load, builtins):
    {body}
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxConfig(seconds=SECONDS, memory_mib=512)) as running:
        yield running


def run(sandbox: Sandbox, function: Admitted) -> Run:
    """The culprit's run; an honest function before and after it must not notice."""
    before, culprit, after = sandbox.run(TEXTS, [HONEST, function, HONEST])
    assert before.values == after.values == [("RED",), ("GREEN",), ("BLUE",)]
    assert before.struck is after.struck is None
    return culprit


def escaped(body: str) -> Admitted:
    return Admitted("f", ESCAPED.format(body=body.replace("\n", "\n    ")))


def test_all_walls_stand_here(sandbox: Sandbox) -> None:
    assert sandbox.level.startswith("gate, process, limits, no_new_privs")
    assert "seccomp" in sandbox.level


ADMITTED = {
    "endless-loop": ("while True:\n        pass", "documents took longer"),
    "endless-loop-that-catches": (
        "while True:\n        try:\n            while True:\n                pass\n"
        "        except:\n            pass",
        "documents took longer|no answer within",
    ),
    "catastrophic-regex": ("return re.findall(r'(a+)+$', 'a' * 40 + 'b')", "took longer"),
    "nested-quantifiers": (
        "return re.match(r'^(([a-z])+.)+[A-Z]([a-z])+$', 'a' * 40).groups()",
        "took longer",
    ),
    "huge-arithmetic": ("x = 7\n    for i in range(40):\n        x = x * x\n    return [x]", "."),
}


@pytest.mark.parametrize(("body", "why"), ADMITTED.values(), ids=ADMITTED)
def test_time_runs_out(sandbox: Sandbox, body: str, why: str) -> None:
    started = time.monotonic()
    culprit = run(sandbox, admit(f"import re\ndef f(text):\n    {body}\n"))
    assert culprit.struck
    assert re.search(why, culprit.struck)
    assert culprit.values == [(), (), ()]
    assert time.monotonic() - started < 3 * (SECONDS + 0.5)


FAILING = {
    "memory-at-once": ("return ['x' * 900000000 * 9]", "MemoryError"),
    "memory-bit-by-bit": (
        "kept = []\n    while True:\n        kept.append(bytes(100000000))",
        "MemoryError",
    ),
    "huge-output": ("return ['x' * 100000000]", "more than 65536 characters"),
    "many-values": ("return list(map(str, range(100000)))", "100000 values"),
    "recursion": ("return f(text)", "RecursionError"),
    "no-list": ("return {'a': text}", "list of strings, not dict"),
    "list-of-lists": ("return [[text]]", "a value is a string"),
    "division": ("return [1 / 0]", "ZeroDivisionError"),
    "no-such-name": ("return [open('/etc/passwd').read()]", "NameError"),
    "getattr": ("return [getattr(text, 'upper')()]", "NameError"),
    "eval": ("return [eval('1')]", "NameError"),
    "type": ("return [type('A', (), {})]", "NameError"),
}


@pytest.mark.parametrize(("body", "error"), FAILING.values(), ids=FAILING)
def test_errors_stay_with_their_function(sandbox: Sandbox, body: str, error: str) -> None:
    culprit = run(sandbox, admit(f"def f(text):\n    {body}\n"))
    assert (culprit.errors, culprit.struck) == (3, None)
    assert error in (culprit.error or "")
    assert culprit.values == [(), (), ()]


REMEMBERING = {
    "default": "def f(text, seen=[]):\n    seen.append(text)\n    return seen\n",
    "module-list": "seen = []\ndef f(text):\n    seen.append(text)\n    return seen\n",
    "helper-default": (
        "def g(x, seen=[]):\n    seen.append(x)\n    return seen\n"
        "def f(text):\n    return g(text)\n"
    ),
}


@pytest.mark.parametrize("source", REMEMBERING.values(), ids=REMEMBERING)
def test_nothing_is_remembered_from_document_to_document(sandbox: Sandbox, source: str) -> None:
    assert run(sandbox, admit(source)).values == [("red",), ("green",), ("blue",)]


def test_nothing_is_remembered_in_what_is_offered(sandbox: Sandbox) -> None:
    source = "import re\ndef f(text):\n    re.seen = text\n    return [re.seen]\n"
    culprit = run(sandbox, Admitted("f", source))
    assert culprit.errors == 3
    assert "read-only" in (culprit.error or "")


FORBIDDEN = {
    "read-a-file": "return [load('io').open('/etc/passwd').read()]",
    "read-the-source": "return [builtins['open'](os['__file__']).read()]",
    "list-a-folder": "return os['listdir']('/')",
    "write-a-file": "return [builtins['open']('{tmp}/written', 'w').write('x')]",
    "remove-a-file": "os['unlink']('{tmp}/precious')",
    "make-a-folder": "os['mkdir']('{tmp}/made')",
    "rename": "os['rename']('{tmp}/precious', '{tmp}/taken')",
    "change-mode": "os['chmod']('{tmp}/precious', 0)",
    "connect": "s = load('_socket').socket()\ns.connect(('127.0.0.1', {port}))",
    "unix-socket": "s = load('_socket').socket(1, 1)\ns.connect('{tmp}/socket')",
    "fork": "os['fork']()",
    "fork-bomb": "while True:\n    os['fork']()",
    "thread": "load('_thread').start_new_thread(builtins['print'], ())",
    "exec": "os['execv']('/bin/sh', ['sh', '-c', 'touch {tmp}/written'])",
    "kill-the-worker": "os['kill'](os['getppid']() or 1, 9)",
    "kill-everything": "os['kill'](-1, 9)",
    "kill-the-run": "os['kill']({pid}, 9)",
    "write-to-the-terminal": "os['write'](2, b'x')",
    "write-to-control": "os['write'](1, b'x')",
    "read-another-process": "return [builtins['open']('/proc/{pid}/environ').read()]",
    "sleep": "load('time').sleep(60)",
    "shared-memory": "os['memfd_create']('x')",
    "change-user": "os['setuid'](1)",
}


@pytest.mark.parametrize("body", FORBIDDEN.values(), ids=FORBIDDEN)
def test_walls_hold_without_the_gate(sandbox: Sandbox, body: str, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.01)
    body = body.replace("{tmp}", str(tmp_path)).replace("{pid}", str(os.getpid()))
    body = body.replace("{port}", str(listening.getsockname()[1]))
    culprit = run(sandbox, escaped(body))
    assert culprit.errors == 3, culprit
    assert culprit.values == [(), (), ()]
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (tmp_path / "precious").read_text() == "kept"
    with listening, pytest.raises(TimeoutError):
        listening.accept()


ENDED = {
    "exit": ("os['_exit'](0)", "exit code 0"),
    "exit-with-code": ("os['_exit'](7)", "exit code 7"),
    "segmentation-fault": ("load('ctypes').string_at(0)", "SIGSEGV"),
    "abort": ("os['abort']()", "ended early"),
    "deaf-loop": (
        "load('signal').setitimer(0, 0)\nwhile True:\n    pass",
        "killed: no answer within 0.8 s",
    ),
    "not-a-message": (
        "for fd in range(3, 1024):\n    try:\n        os['write'](fd, b'junk junk junk')\n"
        "    except Exception:\n        pass\nreturn [text]",
        "wrote to the sandbox's own pipe",
    ),
    "forged-answers": (
        "for fd in range(3, 1024):\n    try:\n"
        "        os['write'](fd, b'\\0\\0\\0\\x0b{{\"v\":[\"x\"]}}' * 9)\n"
        "    except Exception:\n        pass\nreturn [text]",
        "wrote to the sandbox's own pipe",
    ),
    "endless-answers": (
        "while True:\n    for fd in range(3, 1024):\n        try:\n"
        "            os['write'](fd, b'\\0\\0\\0\\x08{{\"v\":[]}}')\n"
        "        except Exception:\n            pass",
        "wrote to the sandbox's own pipe",
    ),
}


@pytest.mark.parametrize(("body", "why"), ENDED.values(), ids=ENDED)
def test_a_process_that_ends_or_lies_is_named(sandbox: Sandbox, body: str, why: str) -> None:
    culprit = run(sandbox, escaped(body.replace("{{", "{").replace("}}", "}")))
    assert culprit.struck
    assert why in culprit.struck
    assert culprit.values == [(), (), ()]


def test_the_environment_tells_nothing(sandbox: Sandbox) -> None:
    culprit = run(sandbox, escaped("return sorted(builtins['str'](k) for k in os['environ'])"))
    assert set(culprit.values[0]) <= {"PYTHONHASHSEED", "LC_CTYPE"}


def test_no_process_outlives_the_sandbox() -> None:
    with Sandbox(SandboxConfig(seconds=SECONDS)) as short:
        assert short.run(["a"], [HONEST])[0].values == [("A",)]
        pid = short._process.pid  # type: ignore[union-attr]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_lost_worker_is_replaced(sandbox: Sandbox) -> None:
    sandbox._process.kill()  # type: ignore[union-attr]
    sandbox._process.wait()  # type: ignore[union-attr]
    assert run(sandbox, HONEST).values[0] == ("RED",)


def test_lone_surrogates_and_empty_texts(sandbox: Sandbox) -> None:
    source = "def f(text):\n    return ['\\ud800' + text, '', '  ', text, text, None, 3]\n"
    (done,) = sandbox.run(["", "é\0"], [admit(source)])
    assert done.values == [("?", "3"), ("?é\0", "é\0", "3")]


def test_many_documents_travel_in_several_lots(sandbox: Sandbox) -> None:
    texts = [str(i) * 3_000_000 for i in range(4)]
    (done,) = sandbox.run(texts, [admit("def f(text):\n    return [text[:1], len(text)]\n")])
    assert done.values == [(str(i), "3000000") for i in range(4)]
