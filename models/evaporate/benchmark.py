"""What the sandbox costs: functions like those that models write, in it and without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from models.evaporate.code import CodeFunction, run_functions
from models.evaporate.config import SandboxConfig
from models.evaporate.pages import Page
from models.evaporate.provenance import trace
from models.measuring import Measurement, in_turn

# Bodies that language models wrote for such documents, for any label.
_WRITTEN = (
    'm = re.search(r"{pattern}[^\\n]*\\n+([^\\n]+)", text, re.I)\n'
    "    return [m.group(1)] if m else []",
    'return re.findall(r"^.*{pattern}\\s*:\\s*(.+)$", text, re.M)',
    'return [line.split(":")[-1].strip() for line in text.split("\\n") if {label!r} in line]',
    'return re.findall(r"{pattern}\\s*[:\\n]\\s*([\\s\\S]*?)\\n\\n", text)[:1]',
    "at = text.find({label!r})\n    return [text[at + {length} : at + 80]] if at >= 0 else []",
)
_LABELS = (
    "510(k) Number", "Purpose for Submission", "Measurand", "Type of Test", "Applicant",
    "Proprietary and Established Names", "Regulation section", "Classification", "Product code",
    "Panel", "Predicate device name", "Intended use", "Device Description", "Principle",
    "Precision", "Linearity", "Traceability", "Detection limit", "Specificity", "Conclusion",
)  # fmt: skip


def written_functions() -> list[CodeFunction]:
    """A hundred functions: every body for every label."""
    return [
        CodeFunction(
            source="import re\ndef get_field(text):\n    "
            + body.format(pattern=re.escape(label), label=label, length=len(label))
            + "\n"
        )
        for label in _LABELS
        for body in _WRITTEN
    ]


def sandbox_speed(texts: Sequence[str], runs: int = 3) -> Iterator[Measurement]:
    """Milliseconds a function and document: run, values traced, in the sandbox and in-process.

    In-process, as the paper's code runs functions, nothing guards and nothing limits them.
    """
    functions, pages = written_functions(), [Page(text) for text in texts]
    bare: list[Callable[[str], list[str]]] = []
    for function in functions:
        scope: dict[str, Callable[[str], list[str]]] = {}
        exec(function.source, scope)  # our own, see above
        bare.append(scope["get_field"])

    def unguarded() -> object:
        return [[trace(page, run(page.text)) for page in pages] for run in bare]

    seconds = in_turn(
        {
            "sandbox": lambda: run_functions(functions, pages, SandboxConfig()),
            "in-process": unguarded,
        },
        runs,
    )
    per_call = {name: 1000 * s / (len(functions) * len(pages)) for name, s in seconds.items()}
    yield Measurement(
        case="functions written by a model, run on documents",
        size=f"{len(functions)} functions x {len(pages)} documents",
        ours="sandbox, 2 workers",
        ours_value=per_call["sandbox"],
        peer="in-process, unguarded",
        peer_value=per_call["in-process"],
        unit="ms a function and document",
        runs=runs,
        dtype="text",
    )
