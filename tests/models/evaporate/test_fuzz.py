"""500 broken files, from bytes to cells: whatever is read is extracted, and its spans are in it."""

from __future__ import annotations

import contextlib

from data.datasets.documents import text_of
from models.evaporate.chunks import chunk_spans
from models.evaporate.code import CodeFunction, run_functions
from models.evaporate.config import SandboxConfig, SchemaConfig, SplitConfig
from models.evaporate.functions import BetweenFunction, LabelFunction, PathFunction
from models.evaporate.pages import Page
from models.evaporate.schema import label_schema
from models.evaporate.sources import split
from tests.data.datasets.documents import fuzzed

FUNCTIONS = [
    LabelFunction(labels=("name",), extent="line"),
    LabelFunction(labels=("purpose",), extent="section"),
    LabelFunction(labels=("a",), extent="lead", pick="last", near=True),
    BetweenFunction(prefix="Name: ", suffix=None),
    PathFunction(path="body>p", number=None),
    CodeFunction(
        source="import re\ndef f(text):\n    return re.findall('Name: (.{0,40})', text)[:3]\n"
    ),
]


def readable() -> list[str]:
    texts = []
    for name, content in fuzzed(500, seed=1):
        with contextlib.suppress(ValueError):
            texts.append(text_of(content, f".{name.rpartition('.')[2]}")[0])
    return texts


def test_whatever_is_read_is_extracted() -> None:
    texts = readable()
    assert len(texts) > 100
    pages = [Page(text) for text in texts]
    reports = run_functions(FUNCTIONS, pages, SandboxConfig())
    for report in reports:
        assert report.struck is None
        for text, answer in zip(texts, report.answers, strict=True):
            if answer is not None:
                assert answer.value
                assert 0 <= answer.start < answer.end <= len(text)
    assert any(answer for answer in reports[-1].answers)
    for page in pages:
        assert sum(end - start for start, end in chunk_spans(page.text, 3000)) == len(page.text)
    label_schema(pages, SchemaConfig())
    split(texts, SplitConfig(documents=100))
