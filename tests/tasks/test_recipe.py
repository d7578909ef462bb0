import textwrap

import pytest
from pydantic import BaseModel

import models
from data.lake import TableRef
from tasks.recipe import code_fingerprint, recipe


class Inner(BaseModel, frozen=True):
    rate: float = 0.1
    steps: int = 5


class Config(BaseModel, frozen=True):
    inner: Inner = Inner()
    seed: int = 0


def step(source, config, name="x"):
    return helper(source)


def helper(source):
    return source


SOURCE = TableRef("lake", "documents", "abc-1", 3, "sha")


def made(**changes):
    arguments = {"source": SOURCE, "config": Config(), "name": "x"} | changes
    return recipe("scores", 1, step, arguments)


def test_the_same_call_has_the_same_digest():
    assert made().digest == made().digest
    assert made().inputs == (SOURCE,)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config": Config(seed=1)}, "config.seed: 0 -> 1"),
        ({"config": Config(inner=Inner(rate=0.2))}, "config.inner.rate: 0.1 -> 0.2"),
        ({"name": "y"}, 'name: "x" -> "y"'),
        (
            {"source": TableRef("lake", "documents", "abd-2", 3, "sha")},
            "source: documents/abc-1 -> documents/abd-2",
        ),
    ],
    ids=["field", "nested-field", "plain", "input"],
)
def test_a_change_changes_the_digest_and_is_named(change, told):
    changed = made(**change)
    assert changed.digest != made().digest
    assert changed.changes_since(made().fields) == [told]


def test_the_lakes_place_is_not_part_of_the_recipe():
    assert (
        made(source=TableRef("elsewhere", "documents", "abc-1", 3, "sha")).digest == made().digest
    )


def test_lists_of_tables_are_inputs():
    other = TableRef("lake", "documents", "abd-2", 3, "sha")
    assert made(source=[SOURCE, other]).inputs == (SOURCE, other)


def test_an_argument_the_cache_cannot_tell_apart_is_refused():
    with pytest.raises(TypeError, match="argument name: a step takes"):
        made(name=object())


@pytest.fixture
def science(tmp_path, monkeypatch):
    """Writes modules models.toy_* and a step module that uses them; gives the fingerprint."""
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    def fingerprint(text):
        import importlib.util
        import sys

        write("toy_step", text)
        spec = importlib.util.spec_from_file_location("toy_step", tmp_path / "toy_step.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "toy_step", module)
        spec.loader.exec_module(module)
        from tasks import recipe as under_test

        under_test._parsed.cache_clear()
        importlib.invalidate_caches()
        return dict(code_fingerprint(module.step))

    fingerprint.write = write
    write("toy_far", "CONSTANT = 1\n")
    write("toy_near", "from models.toy_far import CONSTANT\ndef near():\n    return CONSTANT\n")
    return fingerprint


STEP = """
def step():
    '''Docstring.'''
    from models.toy_near import near
    return near() + helper()

def helper():
    return 1

def unrelated():
    return 2
"""


def test_the_code_reached_by_imports_is_fingerprinted_by_module(science):
    assert set(science(STEP)) == {"toy_step", "models.toy_near", "models.toy_far"}


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (("return 1", "return 3"), {"toy_step"}),
        (("'''Docstring.'''", "'''Another.'''  # and a comment"), set()),
        (("return 2", "return 4"), set()),
    ],
    ids=["helper", "docstring-and-comment", "unrelated"],
)
def test_only_code_that_the_step_runs_counts(science, edit, changed):
    before, after = science(STEP), science(STEP.replace(*edit))
    assert {name for name in before if before[name] != after[name]} == changed


def test_an_argument_named_as_a_step_does_not_drag_it_in(science):
    before = science("def step(other):\n    return other\ndef other():\n    return 1\n")
    after = science("def step(other):\n    return other\ndef other():\n    return 2\n")
    assert before == after


def test_a_module_two_imports_away_counts(science):
    before = science(STEP)
    science.write("toy_far", "CONSTANT = 2\n")
    after = science(STEP)
    assert {name for name in before if before[name] != after[name]} == {"models.toy_far"}


def test_sql_files_count_as_code(science, tmp_path):
    text = "def step():\n    return 'cells.sql'\n"
    (tmp_path / "cells.sql").write_text("SELECT 1")
    before = science(text)
    (tmp_path / "cells.sql").write_text("SELECT 2")
    after = science(text)
    assert {name for name in before if before[name] != after[name]} == {"tasks/cells.sql"}


def test_the_storage_is_no_part_of_what_rows_say(science):
    assert "data.lake.store" not in science("def step():\n    from data.lake import Lake\n")
