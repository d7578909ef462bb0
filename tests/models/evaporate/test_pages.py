"""Pages: labels and their ranks, table columns, LaTeX and HTML undone, places in the source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.markup import undo_latex, weave_html
from models.evaporate.pages import Page, key_of


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Predicate device name(s)", "PREDICATE DEVICE NAMES"),
        ("510(k) Number", "510 (k) number"),
        ("Regulation section", "Regulationsection"),
    ],
)
def test_labels_that_agree(left: str, right: str) -> None:
    assert key_of(left) == key_of(right)


@pytest.mark.parametrize(
    ("line", "key", "rank"),
    [
        ("Name: x", "name", 0),
        ("A. 510(k) Number: k1", "510knumber", 2),
        ("# B. Purpose:", "purpose", 2),
        ("# Carbon dioxide", "carbondioxide", 1),
        ("3) Panel:", "panel", 2),
        ("**Maker**: x", "maker", 0),
        ("size = 4", "size", 0),
        ("Title\n=====", "title", 1),
    ],
)
def test_leads(line: str, key: str, rank: int) -> None:
    lead = Page(f"{line}\nmore").leads[0]
    assert (lead.key, lead.rank) == (key, rank)


def test_columns_of_tables() -> None:
    page = Page("<table><tr><th>Code</th><th>Class</th></tr><tr><td>JIT<td>II</tr></table>")
    cells = {key: [page.text[slice(*s)] for s in spans] for key, spans in page.columns.items()}
    assert cells == {"code": ["JIT"], "class": ["II"]}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("21 CFR $\\ S 8 6 6 . 5 6 3 0$ , a", "21 CFR § 866.5630 , a"),
        ("Unicel $^ \\mathrm { \\textregistered }$ DxC", "Unicel® DxC"),
        ("$\\mu$ and $2 { \\cdot } 1 0 ^ { \\circ } \\mathrm { C }$", "μ and 2·10°C"),
        ("from $5 to $10", "from $5 to $10"),
        ("$4 \\ : \\mathrm { m g / L } \\pm 5 \\%$", "4 mg/L±5%"),
    ],
    ids=["garbled-number", "trademark", "greek", "money", "unit"],
)
def test_latex_is_undone(source: str, text: str) -> None:
    assert undo_latex(source).text == text


def test_html_elements_become_lines() -> None:
    woven, nodes = weave_html(
        "<html><script>no <b>text</b></script><!-- nor this --><h1>A &amp; B</h1>"
        '<div class="box main"><p>some <b>bold</b> text<p>more</div></html>'
    )
    assert [(node.path, woven.text[node.start : node.end]) for node in nodes] == [
        ("html>h1", "A & B"),
        ("div.box>p", "some bold text"),
        ("p>p", "more"),
    ]
    assert [node.heading for node in nodes] == [True, False, False]


@given(st.text(alphabet="ab$\\{}^ \nmu<>&;/p", max_size=60))
def test_every_character_has_a_place_in_the_source(source: str) -> None:
    for text in (source, "<html>" + source):
        page = Page(text)
        for at in range(len(page.text)):
            start, end = page.to_source(at, at + 1)
            assert 0 <= start <= end <= len(text)
            if end - start == 1 and page.text[at] != "\n":
                assert text[start] == page.text[at] or text[start] in "$&~"


@given(st.text(alphabet="aB1:=#.|\t\n <>td/", max_size=80))
def test_blocks_are_spans_of_the_text(text: str) -> None:
    page = Page(text)
    for position in range(len(page.leads)):
        for extent in ("line", "folded", "paragraph", "lead", "section"):
            start, end = page.block(position, extent)
            assert 0 <= start <= end <= len(page.text)
