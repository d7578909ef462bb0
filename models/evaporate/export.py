"""An ensemble as one Python file: functions, votes and all they need, to be used anywhere.

The file holds the functions as data, the modules that run them as text, and needs pydantic alone.
Functions that a language model wrote are plain functions in it: whoever exports them has read them.
"""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from pathlib import Path

from models.evaporate.code import CodeFunction
from models.evaporate.voting import Ensemble

# The modules that patterns run on, in the order they import one another.
_ENGINE = ("markup", "items", "pages", "functions", "metrics", "provenance")

_HEAD = '''"""Extraction functions of {source}, exported by Headwater.

    from {module} import extract
    extract(text)  ->  {{"attribute": "value" or None, ...}}

Needs pydantic. Do not edit: export again.
"""

import math
import sys
import types

FUNCTIONS = {functions}

_ENGINE = {engine}
'''

_TAIL = '''

def _load():
    package = types.ModuleType("_headwater")
    package.__path__ = []
    sys.modules["_headwater"] = package
    for name, source in _ENGINE.items():
        module = types.ModuleType(f"_headwater.{name}")
        sys.modules[module.__name__] = module
        exec(compile(source, module.__name__, "exec"), module.__dict__)
        setattr(package, name, module)
    return package


_engine = _load()


def _runner(spec):
    if isinstance(spec, str):
        return _engine.functions.parse_function(spec).apply
    scope = {}
    exec(spec["source"], scope)
    called = [v for v in scope.values() if isinstance(v, types.FunctionType)][-1]

    def run(page):
        try:
            found = called(page.text)
        except Exception:
            return None
        found = [found] if isinstance(found, str) else found or []
        return _engine.provenance.trace(page, [str(v).strip() for v in found if str(v).strip()])

    return run


_RUNNERS = {
    attribute: [(_runner(spec), votes, accuracy) for spec, votes, accuracy in group["functions"]]
    for attribute, group in FUNCTIONS.items()
}


def extract(text):
    """The value of every attribute in one document; None where there is none."""
    page = _engine.pages.Page(text)
    return {attribute: _vote(page, attribute) for attribute in FUNCTIONS}


def _vote(page, attribute):
    group, support, value = FUNCTIONS[attribute], {}, {}
    answers = [run(page) for run, _, _ in _RUNNERS[attribute]]
    counts = {}
    for answer in answers:
        if answer is not None or not group["abstain"]:
            words = tuple(_engine.metrics.tokens(answer.value if answer else None))
            counts[words] = counts.get(words, 0) + 1
            value.setdefault(words, answer)
    classes = sorted(counts, key=lambda words: -counts[words])[: group["classes"]]
    for answer, (_, votes, accuracy) in zip(answers, _RUNNERS[attribute]):
        if answer is None and group["abstain"]:
            continue
        words = tuple(_engine.metrics.tokens(answer.value if answer else None))
        if words in classes:
            gain = 1.0
            if accuracy is not None:
                gain = math.log(accuracy * (group["classes"] - 1) / (1 - accuracy))
            support[words] = support.get(words, 0.0) + votes * gain
    if not support:
        return None
    answer = value[max(classes, key=lambda words: support[words])]
    return answer.value if answer else None
'''


def module_of(source: str, ensembles: Mapping[str, Ensemble], classes: int) -> str:
    """The Python file of a source's ensembles. classes: as in LabelConfig."""
    functions = {
        attribute: {
            "abstain": ensemble.abstain,
            "classes": classes,
            "functions": [
                (
                    {"source": f.source} if isinstance(f, CodeFunction) else f.model_dump_json(),
                    votes,
                    ensemble.accuracy[i] if ensemble.accuracy else None,
                )
                for i, (f, votes) in enumerate(zip(ensemble.functions, ensemble.votes, strict=True))
            ],
        }
        for attribute, ensemble in ensembles.items()
    }
    here = Path(__file__).parent
    engine = {
        name: (here / f"{name}.py").read_text("utf-8").replace("models.evaporate.", "_headwater.")
        for name in _ENGINE
    }
    head = _HEAD.format(
        source=source,
        module=source,
        functions=pprint.pformat(functions, width=100, sort_dicts=False),
        engine=pprint.pformat(engine, width=100, sort_dicts=False),
    )
    return head + _TAIL
