"""The recipe of a snapshot: everything its rows depend on, by name, and one hash of it.

Same recipe, same table. Named fields are kept beside the hash so that `headwater plan` can say
which of them changed:

    table, version                       of the step
    <argument>.<field>[.<field>...]      of its config models, as JSON
    <argument>                           the snapshot of a table it reads
    code:<module>                        of the step and of all it calls in models/ and data/
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from data.lake import TableRef

_SCIENCE = ("models", "data")
# Python 3.11 cannot build two syntax trees at once: steps submitted together would (gh-106905).
_PARSING = threading.Lock()
_STORAGE = "data.lake"  # how rows are kept does not change what they say
# Python 3.11 may take two threads that build syntax trees at once for one that lost count.
_parsing = threading.Lock()


@dataclass(frozen=True)
class Recipe:
    """What a snapshot is made from; `digest` is its identity."""

    fields: Mapping[str, str]
    inputs: tuple[TableRef, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(dict(sorted(self.fields.items()))).encode()).hexdigest()

    def changes_since(self, earlier: Mapping[str, str]) -> list[str]:
        """What differs from another recipe's fields, each as "name: before -> now"."""
        return [
            f"{name}: {_short(earlier.get(name))} -> {_short(self.fields.get(name))}"
            for name in sorted({*earlier, *self.fields})
            if earlier.get(name) != self.fields.get(name)
        ]


def recipe(
    table: str, version: int, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> Recipe:
    """The recipe of calling `function` with `arguments` to make `table`.

    Raises TypeError for an argument that is no reference, config model or plain JSON value: the
    cache could not tell two of them apart.
    """
    fields = {"table": table, "version": str(version)}
    inputs: list[TableRef] = []
    for name, value in arguments.items():
        if isinstance(value, TableRef):
            fields[name] = f"{value.table}/{value.snapshot}"
            inputs.append(value)
        elif isinstance(value, list | tuple) and value and isinstance(value[0], TableRef):
            fields[name] = ", ".join(f"{ref.table}/{ref.snapshot}" for ref in value)
            inputs.extend(value)
        else:
            fields.update(_flat(name, _plain(name, value)))
    with _PARSING:
        code = code_fingerprint(function)
    fields |= {f"code:{name}": digest for name, digest in code.items()}
    return Recipe(fields, tuple(inputs))


def code_fingerprint(function: Callable[..., Any]) -> Mapping[str, str]:
    """Hash by module of the code a step runs: its own, and all it imports from models/ and data/.

    The step's part is the function with whatever of its module it names; every module of models/
    and data/ reached by imports counts whole, data/lake excepted. Comments, docstrings and
    layout do not count. SQL files that the step names count as code.
    """
    with _parsing:
        return _fingerprint(function)


@functools.cache
def _fingerprint(function: Callable[..., Any]) -> Mapping[str, str]:
    module = inspect.getmodule(function)
    assert module is not None
    assert module.__file__ is not None
    tree = _parsed(Path(module.__file__))
    own = _reachable(tree, function.__name__)
    digests = {module.__name__: _digest(own)}
    for name in sorted(_sql_files(own)):
        text = Path(module.__file__).with_name(name).read_text("utf-8")
        digests[f"tasks/{name}"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    pending = sorted({target for node in own for target in _imported(node, module.__name__)})
    while pending:
        name = pending.pop()
        if name in digests:
            continue
        path = _source(name)
        if path is None:
            continue
        digests[name], imported = _whole(_parsed(path), name)
        pending += imported
    return digests


def _reachable(tree: ast.Module, start: str) -> list[ast.stmt]:
    """The top-level statements of a module that define `start` and, in turn, what it names."""
    definitions: dict[str, ast.stmt] = {}
    for statement in tree.body:
        for name in _defines(statement):
            definitions[name] = statement
    found: dict[int, ast.stmt] = {}
    pending = [start]
    while pending:
        named = definitions.get(pending.pop())
        if named is None or id(named) in found:
            continue
        found[id(named)] = named
        arguments = {node.arg for node in ast.walk(named) if isinstance(node, ast.arg)}
        names = {node.id for node in ast.walk(named) if isinstance(node, ast.Name)}
        pending += sorted(names - arguments)  # an argument may be named as a step is
    return [statement for statement in tree.body if id(statement) in found]


def _defines(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in names)
        case ast.Assign(targets=targets):
            yield from (t.id for t in targets if isinstance(t, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.If(body=body):  # if TYPE_CHECKING:
            for inner in body:
                yield from _defines(inner)


def _imported(node: ast.stmt, module: str) -> Iterator[str]:
    """Modules of models/ and data/ that a statement imports, at any depth."""
    for inner in _statements([node]):
        names: list[str] = []
        if isinstance(inner, ast.Import):
            names = [alias.name for alias in inner.names]
        elif isinstance(inner, ast.ImportFrom):
            base = inner.module or ""
            if inner.level:
                base = importlib.util.resolve_name("." * inner.level + base, module)
            names = [base, *(f"{base}.{alias.name}" for alias in inner.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] in _SCIENCE and not name.startswith(_STORAGE):
                # A package's __init__ runs too when one of its modules is imported.
                yield from (".".join(parts[:i]) for i in range(2, len(parts) + 1))


def _statements(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements at any depth; expressions, of which there are many more, are passed over."""
    for node in nodes:
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):  # of a lambda it is an expression
                yield from _statements(inner)


def _sql_files(nodes: list[ast.stmt]) -> set[str]:
    return {
        inner.value
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant)
        and isinstance(inner.value, str)
        and inner.value.endswith(".sql")
    }


def _source(module: str) -> Path | None:
    """The file of a module; None for a name that is no module (an attribute of one).

    Looked up by path: importlib's own search would import the module's parents, torch and all.
    """
    top, *rest = module.split(".")
    for folder in importlib.import_module(top).__path__:
        place = Path(folder).joinpath(*rest)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


@functools.cache
def _whole(tree: ast.Module, name: str) -> tuple[str, Sequence[str]]:
    """Digest of a module and what it imports; the steps of a flow share most of their modules."""
    return _digest(tree.body), [target for node in tree.body for target in _imported(node, name)]


@functools.cache
def _parsed(path: Path) -> ast.Module:
    """A module's syntax tree without its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in _statements([tree]):
        match getattr(node, "body", None):
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest  # type: ignore[attr-defined]
    return tree


def _digest(nodes: list[ast.stmt]) -> str:
    text = "\n".join(ast.dump(node) for node in nodes)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    try:
        return json.loads(json.dumps(value))
    except TypeError as error:
        raise TypeError(
            f"argument {name}: a step takes table references, config models and plain JSON "
            f"values, not {type(value).__name__}"
        ) from error


def _flat(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict) and value:
        parts = (_flat(f"{name}.{key}", inner) for key, inner in value.items())
        return {path: leaf for part in parts for path, leaf in part.items()}
    return {name: json.dumps(value)}


def _short(value: str | None) -> str:
    if value is None:
        return "(none)"
    return value if len(value) <= 60 else value[:57] + "..."
