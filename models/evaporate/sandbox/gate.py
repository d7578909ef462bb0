"""The first gate: Python source as text is either one harmless-looking function or refused.

What is refused needs no process to find out, and its reason can be told in words. What is let
through is still not trusted: see `walls`.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from typing import NamedTuple

# Names that functions may import. The worker offers only these, each read-only, so that nothing
# that one document's run leaves behind is there for the next.
OFFERED = {
    "re": (
        "compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn",
        "escape", "error", "I", "IGNORECASE", "M", "MULTILINE", "S", "DOTALL", "X", "VERBOSE",
        "A", "ASCII", "U", "UNICODE", "L", "LOCALE", "Match", "Pattern",
    ),
    "json": ("loads", "dumps", "JSONDecodeError"),
    "html": ("unescape", "escape"),
    "datetime": ("datetime", "date", "time", "timedelta", "timezone"),
    "math": ("floor", "ceil", "sqrt", "log", "log10", "isnan", "isclose", "inf", "pi", "trunc"),
    "unicodedata": ("normalize", "category", "name", "combining"),
    "string": (
        "ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "hexdigits",
        "punctuation", "whitespace", "printable", "capwords",
    ),
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"),
    "itertools": (
        "chain", "islice", "groupby", "product", "takewhile", "dropwhile", "zip_longest",
        "combinations", "permutations", "accumulate", "count", "repeat",
    ),
    "typing": ("List", "Dict", "Optional", "Tuple", "Set", "Any", "Union", "Iterable"),
}  # fmt: skip
BUILTINS = (
    "abs", "all", "any", "bool", "bytes", "chr", "dict", "divmod", "enumerate", "filter", "float",
    "format", "frozenset", "hash", "int", "isinstance", "issubclass", "iter", "len", "list", "map",
    "max", "min", "next", "ord", "pow", "print", "range", "repr", "reversed", "round", "set",
    "slice", "sorted", "str", "sum", "tuple", "zip", "True", "False", "None", "NotImplemented",
    "ArithmeticError", "AssertionError", "AttributeError", "Exception", "IndexError", "KeyError",
    "LookupError", "OverflowError", "RuntimeError", "StopIteration", "TypeError", "UnicodeError",
    "ValueError", "ZeroDivisionError",
)  # fmt: skip

MAX_SOURCE = 20_000  # characters
MAX_NODES = 4_000
MAX_DEPTH = 60
_MAX_NUMBER = 10**9
# Python 3.11 may take two threads that build syntax trees at once for one that lost count.
_parsing = threading.Lock()

# Attributes without an underscore that lead from an object to its frame, code or globals.
_INNER = ("tb_", "f_", "gi_", "cr_", "ag_", "co_", "func_", "im_")
_BANNED = frozenset({"mro", "format_map"})
_STATEMENTS = (
    ast.ClassDef, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.Global,
    ast.Nonlocal, ast.Delete, ast.With, ast.Yield, ast.YieldFrom,
)  # fmt: skip


class Refused(ValueError):
    """The source may not run; the message says why in one sentence."""


class Admitted(NamedTuple):
    """Source that passed the gate, and the name of the function to call in it."""

    name: str
    source: str


def admit(source: str) -> Admitted:
    """Lets a module of imports, constants and functions through; its last function is the one.

    The function takes one argument, the text. Raises Refused for anything else.
    """
    if len(source) > MAX_SOURCE:
        raise Refused(f"{len(source)} characters of source, at most {MAX_SOURCE} are read")
    try:
        with _parsing:
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"not Python: {str(error).splitlines()[0]}") from error
    _check_size(tree)
    function = _entry(tree)
    for node in ast.walk(tree):
        problem = next(_problems(node), None)
        if problem is not None:
            raise Refused(f"line {getattr(node, 'lineno', 1)}: {problem}")
    return Admitted(function.name, source)


def _check_size(tree: ast.Module) -> None:
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise Refused(f"more than {MAX_NODES} parts or {MAX_DEPTH} levels of nesting")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _entry(tree: ast.Module) -> ast.FunctionDef:
    for statement in tree.body:
        match statement:
            case ast.Expr(value=ast.Constant()):  # a docstring
                continue
            case ast.Import() | ast.ImportFrom() | ast.FunctionDef():
                continue
            case ast.Assign() | ast.AnnAssign():
                continue
        kind = type(statement).__name__
        raise Refused(f"line {statement.lineno}: {kind} outside of a function")
    functions = [s for s in tree.body if isinstance(s, ast.FunctionDef)]
    if not functions:
        raise Refused("no function")
    last = functions[-1]
    arguments = last.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    if required != 1 or any(default is None for default in arguments.kw_defaults):
        raise Refused(f"{last.name} takes {required} arguments, not one text")
    return last


def _problems(node: ast.AST) -> Iterator[str]:
    if isinstance(node, _STATEMENTS):
        yield type(node).__name__
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _bad_imports(node)
    yield from (f"name {name}" for name in _names(node) if name.startswith("__"))
    yield from (f"attribute {name}" for name in _attributes(node) if _inner(name))
    match node:
        case ast.Attribute(attr=attribute, ctx=ast.Store()):
            yield f"assignment to attribute {attribute}"
        case ast.FunctionDef(name=name, decorator_list=[_, *_]):
            yield f"a decorator on {name}"
        case ast.BinOp(op=ast.Pow() | ast.LShift(), right=ast.Constant(value=int(power))):
            if power > 64:
                yield f"power of {power}"
        case ast.Constant(value=int(number)):
            if abs(number) > _MAX_NUMBER:
                yield f"number {number}"[:40]


def _bad_imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import of {a.name}" for a in node.names if a.name not in OFFERED)
    elif node.level or node.module not in OFFERED:
        yield f"import of {node.module}"
    else:
        there = OFFERED[node.module]
        yield from (
            f"import of {a.name} from {node.module}" for a in node.names if a.name not in there
        )


def _names(node: ast.AST) -> Iterator[str]:
    """Names that the node itself uses or gives."""
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
            yield name
        case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.keyword(arg=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name


def _attributes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(attr=name):
            yield name
        case ast.MatchClass(kwd_attrs=names):
            yield from names


def _inner(attribute: str) -> bool:
    return attribute.startswith(("_", *_INNER)) or attribute in _BANNED
