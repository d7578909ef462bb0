"""Patterns and source run side by side, and what each did is told."""

from models.evaporate.code import CodeFunction, run_functions
from models.evaporate.config import SandboxConfig
from models.evaporate.functions import LabelFunction
from models.evaporate.pages import Page

PAGES = [Page(text) for text in ("Name: Ada\n", "Name: Bo\nAge: 3", "nothing", "Name: Cy")]
CONFIG = SandboxConfig(seconds=0.3)


def code(body: str) -> CodeFunction:
    return CodeFunction(source=f"import re\ndef get(text):\n    {body}\n")


def test_all_kinds_in_their_order() -> None:
    found = run_functions(
        [
            code("return re.findall(r'Name: (.*)', text)"),
            LabelFunction(labels=("name",), extent="line"),
            code("return 1 / 0"),
            code("import os"),
            code("while 'Bo' in text:\n        pass"),
            code("return ['made up']"),
        ],
        PAGES,
        CONFIG,
    )
    values = [[answer.value if answer else None for answer in one.answers] for one in found]
    assert values[0] == values[1] == ["Ada", "Bo", None, "Cy"]
    assert all(value == [None] * 4 for value in values[2:])
    assert (found[2].errors, found[2].error, found[2].struck) == (
        4, "ZeroDivisionError: division by zero", None,
    )  # fmt: skip
    assert found[3].struck == "refused: line 3: import of os"
    assert found[4].struck is None  # late on one document only
    assert found[5].untraced == 4


def test_one_worker_and_three_say_the_same() -> None:
    functions = [code("return text.split()[:2]")]
    one, three = (
        run_functions(functions, PAGES, SandboxConfig(workers=workers)) for workers in (1, 3)
    )
    assert one == three


def test_nothing_to_run_starts_nothing() -> None:
    assert run_functions([], PAGES, CONFIG) == []
    assert run_functions([code("return []")], [], CONFIG)[0].answers == []


def test_the_name_is_that_of_the_source() -> None:
    assert code("return []").function_id == code("return []").function_id
    assert code("return []").function_id != code("return [1]").function_id
