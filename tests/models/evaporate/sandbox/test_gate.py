"""The gate: what language models really write passes, what has no business here is refused."""

from __future__ import annotations

import pytest

from models.evaporate.sandbox.gate import MAX_SOURCE, Refused, admit

WRITTEN = {
    "regex": """
import re
def get_number(text):
    found = re.search(r"Number: (K\\d+)", text)
    return [found.group(1)] if found else []
""",
    "two-functions": """
from datetime import datetime
FORMATS = ("%Y", "%Y-%m")
def _parse(text, form="%Y"):
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None
def get_year(text: str) -> list[str]:
    '''The year.'''
    years = [p for f in FORMATS if (p := _parse(text, f)) is not None]
    return [str(p.year) for p in years]
""",
    "import-inside": """
def get_words(text):
    import collections
    counts = collections.Counter(text.split())
    return [word for word, _ in counts.most_common(3)]
""",
    "several-returns": """
def f(text):
    if not text:
        return []
    for line in text.splitlines():
        if line.startswith("a"):
            return [line]
    return []
""",
}


@pytest.mark.parametrize("source", WRITTEN.values(), ids=WRITTEN)
def test_written_functions_pass(source: str) -> None:
    assert admit(source).source == source


def test_the_last_function_is_the_one_to_call() -> None:
    assert admit(WRITTEN["two-functions"]).name == "get_year"


BODIES = {
    "open": ("return [__builtins__['open']('/etc/passwd').read()]", "name __builtins__"),
    "dunder-import": ("return [__import__('os').getcwd()]", "name __import__"),
    "subclasses": ("return ().__class__.__base__.__subclasses__()", "attribute __subclasses__"),
    "function-globals": ("return [f.__globals__]", "attribute __globals__"),
    "f-string": ("return [f'{text.__class__}']", "attribute __class__"),
    "match-attribute": (
        "match text:\n        case str(__class__=c):\n            return [c]",
        "attribute __class__",
    ),
    "traceback": (
        "try:\n        1/0\n    except Exception as e:\n        return [e.tb_frame]",
        "attribute tb_frame",
    ),
    "generator-frame": ("return [(x for x in text).gi_frame]", "attribute gi_frame"),
    "private": ("import re\n    return [re._cache]", "attribute _cache"),
    "import-os": ("import os\n    return [os.getcwd()]", "import of os"),
    "import-as": ("import os.path as re\n    return []", "import of os.path"),
    "from-import": ("from re import sys\n    return []", "import of sys from re"),
    "star-import": ("from re import *\n    return []", "import of * from re"),
    "relative-import": ("from . import gate\n    return []", "import of None"),
    "set-attribute": ("import re\n    re.search = None\n    return []", "assignment to attribute"),
    "for-attribute": ("for text.x in 'ab':\n        pass", "assignment to attribute x"),
    "class": ("class A:\n        pass\n    return []", "ClassDef"),
    "global": ("global seen\n    seen = 1\n    return []", "Global"),
    "with": ("with text:\n        return []", "With"),
    "generator": ("yield text", "Yield"),
    "huge-power": ("return [9 ** 99999]", "power of 99999"),
    "huge-number": ("return ['x' * 10000000000]", "number 10000000000"),
    "keyword": ("return [dict(__class__=1)]", "name __class__"),
}


@pytest.mark.parametrize(("body", "why"), BODIES.values(), ids=BODIES)
def test_bodies_that_are_refused(body: str, why: str) -> None:
    with pytest.raises(Refused, match=why.replace("*", r"\*")):
        admit(f"def f(text):\n    {body}\n")


MODULES = {
    "call-at-top": ("f(1)\ndef f(text):\n    return []", "Expr outside of a function"),
    "loop-at-top": ("while True:\n    pass", "While outside of a function"),
    "no-function": ("import re", "no function"),
    "two-arguments": ("def f(text, other):\n    return []", "takes 2 arguments"),
    "keyword-argument": ("def f(text, *, other):\n    return []", "not one text"),
    "decorated": ("def g(x):\n    return x\n@g\ndef f(text):\n    return []", "decorator on f"),
    "asynchronous": ("async def f(text):\n    return []", "AsyncFunctionDef"),
    "not-python": ("def f(text)\n    return []", "not Python"),
    "null-byte": ("def f(text):\n    return ['\0']", "not Python"),
    "long": ("#" * (MAX_SOURCE + 1), "characters of source"),
    "nested": ("def f(text):\n    return " + "[" * 70 + "]" * 70, "levels of nesting"),
    "deeply-nested": ("def f(text):\n    return " + "-" * 5000 + "1", "nesting|not Python"),
    "many-parts": ("def f(text):\n    return [" + "1," * 5000 + "]", "parts"),
}


@pytest.mark.parametrize(("source", "why"), MODULES.values(), ids=MODULES)
def test_modules_that_are_refused(source: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        admit(source)
