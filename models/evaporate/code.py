"""Functions that are Python source, beside those that are patterns, and how both are run.

Patterns are our own and run here. Source is a language model's and runs in the sandbox alone; what
it returns counts where it stands in the document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from models.evaporate.config import SandboxConfig
from models.evaporate.functions import Answer, Function
from models.evaporate.pages import Page
from models.evaporate.provenance import trace
from models.evaporate.sandbox.gate import MAX_SOURCE, Admitted, Refused, admit
from models.evaporate.sandbox.runner import Run, Sandbox


class CodeFunction(BaseModel, frozen=True, extra="forbid"):
    """`def get_x(text: str) -> list[str]` as source; it may import what the sandbox offers."""

    kind: Literal["code"] = "code"
    source: str = Field(max_length=4 * MAX_SOURCE)

    @cached_property
    def function_id(self) -> str:
        """Name of the function: its kind and the first 10 digits of its source's SHA-256."""
        return f"code-{hashlib.sha256(self.source.encode()).hexdigest()[:10]}"


class Report(NamedTuple):
    """What one function did on all documents.

    answers: in the documents' order; None where it found nothing.
    struck: why the function is not to be trusted at all; None if it behaved.
    errors: documents on which it raised; error: the first in words.
    untraced: documents of whose values none stands in the text.
    """

    answers: list[Answer | None]
    struck: str | None = None
    errors: int = 0
    error: str | None = None
    untraced: int = 0


def run_functions(
    functions: Sequence[Function | CodeFunction],
    pages: Sequence[Page],
    config: SandboxConfig,
) -> list[Report]:
    """Every function on every page: patterns in this process, source in the sandbox.

    Whatever a function does, the others are run. Raises SandboxError if there is source to run and
    no worker process can be started.
    """
    sources = [f for f in functions if isinstance(f, CodeFunction)]
    of_source = iter(_run_sources(sources, pages, config))
    return [
        next(of_source)
        if isinstance(f, CodeFunction)
        else Report([f.apply(page) for page in pages])
        for f in functions
    ]


def _run_sources(
    functions: Sequence[CodeFunction], pages: Sequence[Page], config: SandboxConfig
) -> list[Report]:
    admitted: dict[int, Admitted] = {}
    refused: dict[int, str] = {}
    for i, function in enumerate(functions):
        try:
            admitted[i] = admit(function.source)
        except Refused as error:
            refused[i] = f"refused: {error}"
    done = _side_by_side(pages, list(admitted.values()), config) if admitted and pages else []
    runs = dict(zip(admitted, done, strict=False))
    nothing = Run([()] * len(pages))
    return [_report(pages, runs.get(i, nothing), refused.get(i)) for i in range(len(functions))]


def _side_by_side(
    pages: Sequence[Page], functions: Sequence[Admitted], config: SandboxConfig
) -> list[Run]:
    """Every function on all pages, the pages shared among the workers."""
    share = -(-len(pages) // config.workers)
    shares = [[p.text for p in pages[i : i + share]] for i in range(0, len(pages), share)]

    def work(texts: Sequence[str]) -> list[Run]:
        with Sandbox(config) as sandbox:
            return sandbox.run(texts, functions)

    with ThreadPoolExecutor(len(shares)) as pool:
        parts = list(pool.map(work, shares))
    return [_joined(runs) for runs in zip(*parts, strict=True)]


def _joined(runs: Sequence[Run]) -> Run:
    """The runs of one function on several shares of the documents as one."""
    return Run(
        values=[values for run in runs for values in run.values],
        errors=sum(run.errors for run in runs),
        error=next((run.error for run in runs if run.error), None),
        struck=next((run.struck for run in runs if run.struck), None),
    )


def _report(pages: Sequence[Page], run: Run, refused: str | None) -> Report:
    answers = [
        trace(page, values) if values else None
        for page, values in zip(pages, run.values, strict=True)
    ]
    untraced = sum(
        bool(values) and answer is None for values, answer in zip(run.values, answers, strict=True)
    )
    return Report(answers, refused or run.struck, run.errors, run.error, untraced)
