"""Functions written by a language model (section 3.2.1): two prompts over each sample's chunks."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from models.evaporate.asking import Asker
from models.evaporate.code import CodeFunction
from models.evaporate.config import SynthesisConfig
from models.evaporate.prompts import code_of, function_question_a, function_question_b
from models.evaporate.sandbox.gate import OFFERED
from models.lm.interface import Sampling
from models.progress import Progress, silent

Template = Literal["P_A", "P_B"]
_QUESTIONS = {"P_A": function_question_a, "P_B": function_question_b}
_MAX_LINES = 200  # of code that is looked at
_WORD = re.compile(r"[a-z0-9]{2,}")


# Where small models stop writing the function and go on to use it.
_ENDS = ("```", "\n# Example", "\nprint(", "\nif __name__", "\ntext =")


class Written(NamedTuple):
    """A function and where it comes from: the prompt template and the document it was shown."""

    function: CodeFunction
    template: Template
    doc_id: str


def write_functions(
    asker: Asker,
    attributes: Sequence[str],
    chunks: Mapping[str, Sequence[str]],
    config: SynthesisConfig,
    progress: Progress = silent,
) -> dict[str, list[Written]]:
    """What the model writes for every attribute: one function a sample, chunk and template.

    chunks: of every sample document, in order. Answers that hold no function are left out, equal
    functions are not: in the paper they vote as often as they are written. All attributes of a
    chunk are asked for in a row, so that its beginning can stay in the back end's cache.
    """
    asked = [
        (doc_id, template, chunk, attribute)
        for doc_id, of_document in chunks.items()
        for template in config.templates
        for chunk, wanted in chosen_chunks(of_document, attributes, config.chunks_per_document)
        for attribute in wanted
    ]
    sampling = Sampling(max_tokens=config.max_tokens, stop=_ENDS)
    written: dict[str, list[Written]] = {attribute: [] for attribute in attributes}
    for done, (doc_id, template, chunk, attribute) in enumerate(asked):
        progress(done, len(asked))
        question = _QUESTIONS[template](chunk, attribute)
        answer = asker.ask("synthesis", [question], sampling)[0]
        source = tidy(code_of(question, answer)) or tidy(answer)
        if source is not None:
            written[attribute].append(Written(CodeFunction(source=source), template, doc_id))
    progress(len(asked), len(asked))
    return written


def chosen_chunks(
    chunks: Sequence[str], attributes: Sequence[str], limit: int
) -> list[tuple[str, list[str]]]:
    """Each chunk that some attribute may be in, and those attributes; see choose_chunks."""
    wanted: dict[str, list[str]] = {chunk: [] for chunk in chunks}
    for attribute in attributes:
        for chunk in choose_chunks(chunks, attribute, limit):
            wanted[chunk].append(attribute)
    return [(chunk, names) for chunk, names in wanted.items() if names]


def choose_chunks(chunks: Sequence[str], attribute: str, limit: int) -> list[str]:
    """The chunks of a document that an attribute is most likely in, at most `limit`.

    Those that hold its name; else, spaces and punctuation aside; else those with most of its words.
    None if no chunk has any of them.
    """
    name = attribute.lower().replace("_", " ")
    words = set(_WORD.findall(name))
    bare = "".join(_WORD.findall(name))
    lower = [chunk.lower() for chunk in chunks]
    for named in (
        [name in chunk for chunk in lower],
        [bare in "".join(_WORD.findall(chunk)) for chunk in lower],
    ):
        if any(named):
            return [chunk for chunk, yes in zip(chunks, named, strict=True) if yes][:limit]
    counts = [len(words & set(_WORD.findall(chunk))) for chunk in lower]
    best = sorted((i for i, count in enumerate(counts) if count), key=lambda i: -counts[i])
    return [chunks[i] for i in best[:limit]]


def tidy(code: str) -> str | None:
    """Imports and functions of a model's answer, in canonical form; None if there is no function.

    Small models go on after the function (examples, the text again) and are cut off within a line:
    lines are dropped from the end until the rest is Python.
    """
    lines = code.strip("\n").splitlines()[:_MAX_LINES]
    for count in range(len(lines), 0, -1):
        try:
            tree = ast.parse("\n".join(lines[:count]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        kept: list[ast.stmt] = [
            node
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)
        ]
        if not any(isinstance(node, ast.FunctionDef) for node in kept):
            return None
        module = ast.Module(body=[*_missing_imports(kept), *kept], type_ignores=[])
        return ast.unparse(ast.fix_missing_locations(module)) + "\n"
    return None


def _missing_imports(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Imports of the modules that are used by name without one, as small models do."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = {
        node.value.id
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    missing = sorted((used & set(OFFERED)) - imported - bound)
    return [ast.Import(names=[ast.alias(name=name)]) for name in missing]
