"""The report over no lake, a small lake full of hostile values, and a lake with a damaged file."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from data.lake import Lake, LakeError
from tasks.report import write_report
from tasks.report.graph import Box, draw
from tasks.report.page import Column, element, error_size, number, seconds, table
from tests.tasks.report_rows import (
    cell_in_text_rows,
    cell_rows,
    coverage_rows,
    extraction_rows,
    filled,
    finding_rows,
    forecast_score_rows,
    offload_rows,
    operator_score_rows,
    publish,
    quality_row,
    run_row,
    sequence_score_rows,
    tart_rows,
    trial_rows,
    win_rows,
)

SECTIONS = {
    "last-run": "runs",
    "extraction": "extraction_scores",
    "review": "extractions",
    "few-shot-classification": "tart_scores",
    "forecasting": "forecast_scores",
    "operators": "operator_scores",
    "collages": "collage_findings",
    "sequences": "sequence_scores",
    "offloading": "offload_runs",
    "comparison": "helm_win_rates",
    "leaderboard": "helm_coverage",
    "lineage": "lineage",
    "quality": "quality",
    "tables": None,
}
_VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks that every element is closed in order; collects tags, attributes, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.attributes if name in names]


def report_of(lake: Lake, folder: Path) -> str:
    path = folder / "new" / "report.html"
    write_report(lake, path)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, str]:
    """A filled lake and its report."""
    folder = tmp_path_factory.mktemp("full")
    lake = filled(Lake(str(folder / "lake")))
    return lake, report_of(lake, folder)


def test_real_data_is_one_table_and_its_gap_is_parted(full: tuple[Lake, str]) -> None:
    inside = full[1].split('<section id="few-shot-classification">')[1].split("</section>")[0]
    text = Page(inside).text
    assert "TART's accuracy is on average 0.100 higher than logistic regression's" in text
    assert "TART's accuracy is on average 0.250 higher than in-context learning's" in text
    assert "reasoning accounts for 0.300 of it, the larger part" in text
    assert inside.count("digits") == 1, "pairs of images are one row"


def assert_self_contained(text: str) -> None:
    page = Page(text)
    loads = page.values("src", "href", "xlink:href", "srcset", "action", "data", "poster")
    assert all(value.startswith("#") for value in loads)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not any(name.startswith("on") for name, _ in page.attributes)
    styles = " ".join(page.values("style"))
    assert "@import" not in text
    assert "http" not in styles
    targets = {value[1:] for value in loads}
    assert targets <= set(page.values("id"))


def test_empty_lake_says_what_fills_each_section(tmp_path: Path) -> None:
    text = report_of(Lake(str(tmp_path / "lake")), tmp_path)
    assert_self_contained(text)
    page = Page(text)
    assert set(SECTIONS) <= set(page.values("id"))
    for command in (
        "lab",
        "evaporate",
        "tart",
        "spacetime",
        "t1",
        "sequence",
        "flexgen",
        "collage",
        "helm",
    ):
        assert f"headwater run {command}" in page.text
    assert "Nothing has been set aside" in page.text


def test_every_section_shows_its_rows(full: tuple[Lake, str]) -> None:
    page = Page(full[1])
    assert set(SECTIONS) <= set(page.values("id"))
    assert "No rows yet" not in page.text
    assert 'class="damaged"' not in full[1]
    for told in (
        "Failed",
        "25 %",  # Prefect's share
        "macro Text F1 of CODE+ is 0.900, ahead of the best baseline",
        "TART's accuracy is on average 0.300 lower than logistic regression's",
        "SpaceTime loses to ridge, a baseline: its error is 100.0 % higher",
        "2.00e-05 against 1.00e-05",
        "T1 beats every other model and baseline, the best of them fno (relative L2 0.0200",
        "t1, error 0.100",
        "recall, length 20: h3 x2 beats attention (99.0 % against 50.0 %, 2 seeds)",
        "predicted throughput lies within 30% of the measured one for 2 of 2 policies",
        "12 of 16 cells measured",
        "1 check of 2 failed",
        "1 input set aside",
        "snapshot is gone",
    ):
        assert told in page.text, told
    assert full[1].count('<svg class="plot"') == 2 + 2 + 5 + 1 + 2 + 1


def test_hostile_values_stay_text(full: tuple[Lake, str]) -> None:
    assert_self_contained(full[1])
    assert "<script" not in full[1]
    assert "alert('x')" in Page(full[1]).text
    assert "\x00" not in full[1]
    assert "\u202e" not in full[1]


def test_values_are_marked_where_they_stand(full: tuple[Lake, str]) -> None:
    page = Page(full[1])
    assert full[1].count("<mark>") == 2
    assert "read as: otherwise" in page.text
    assert "posterior 0.625" in page.text


def test_same_lake_gives_the_same_bytes(full: tuple[Lake, str], tmp_path: Path) -> None:
    assert report_of(full[0], tmp_path) == full[1]
    assert len(full[1]) < 2_000_000


@pytest.mark.parametrize(
    ("name", "section"), [(t, s) for s, t in SECTIONS.items() if t], ids=lambda value: value
)
def test_damaged_table_costs_its_own_part_only(name: str, section: str, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    publish(lake, "runs", [run_row()])
    publish(lake, "extraction_scores", extraction_rows())
    publish(lake, "helm_cells", cell_rows())
    if not lake.commits(name):
        rows = {
            "extractions": cell_in_text_rows,
            "tart_scores": tart_rows,
            "forecast_scores": forecast_score_rows,
            "sequence_scores": sequence_score_rows,
            "helm_win_rates": win_rows,
            "operator_scores": operator_score_rows,
            "operator_trials": trial_rows,
            "offload_runs": offload_rows,
            "helm_coverage": coverage_rows,
            "lineage": lambda: [{"run_id": "run-0001", "table_name": "t", "snapshot": "s",
                                 "input_table": None, "input_snapshot": None}],
            "quality": lambda: [quality_row("has rows", 0)],
            "collage_findings": finding_rows,
        }[name]()  # fmt: skip
        publish(lake, name, rows)
    for path in lake.paths(lake.commits(name)[0]):
        Path(path).write_bytes(b"PAR1 no table at all PAR1")
    text = report_of(lake, tmp_path)
    shown_by = 2 if name == "helm_win_rates" else 1  # comparison and leaderboard both read it
    assert text.count('class="damaged"') == shown_by
    inside = text.split(f'<section id="{section}">')[1].split("</section>")[0]
    assert f"table {name}: " in inside
    assert Page(text).text.count("0.900") > 0 or name == "extraction_scores"


def test_damage_behind_an_intact_footer(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    publish(lake, "tart_scores", tart_rows())
    path = Path(lake.paths(lake.commits("tart_scores")[0])[0])
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(200) + content[204:])
    text = report_of(lake, tmp_path)
    assert text.count('class="damaged"') == 1
    assert_self_contained(text)


def test_failure_leaves_the_old_report(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    path = tmp_path / "out" / "report.html"
    write_report(lake, path)
    before = path.read_bytes()
    publish(lake, "runs", [run_row()])
    (record,) = (tmp_path / "lake" / "runs" / "_commits").iterdir()
    record.write_text("not a record")
    with pytest.raises(LakeError, match="is not a commit record"):
        write_report(lake, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "make", [lambda p: p.mkdir(), lambda p: p.parent.joinpath("file").write_text("x")], ids=str
)
def test_unwritable_place_is_one_clear_line(make: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    make(path)
    if not path.exists():
        path = tmp_path / "file" / "report.html"
    with pytest.raises(LakeError, match="cannot write the report to"):
        write_report(Lake(str(tmp_path / "lake")), path)
    assert not list(tmp_path.glob(".report*"))


def test_graph_puts_every_box_right_of_its_inputs_even_in_a_circle() -> None:
    boxes = {name: Box(name, "1 row", new=True) for name in "abcd"}
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "a"), ("d", "d"), ("a", "b")]
    page = Page(draw(boxes, edges, "a graph"))
    assert page.attributes.count(("class", "edge")) == 3
    assert page.text == "a1 rowb1 rowc1 rowd1 row"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(None), "\u2013"),
        (number(float("nan")), "\u2013"),
        (number(1234.5, 1), "1,234.5"),
        (error_size(6.8e-5), "6.80e-05"),
        (error_size(0.25), "0.250"),
        (seconds(0.042), "0.042 s"),
        (seconds(200.4), "3 min 20 s"),
        (seconds(7500), "2 h 05 min"),
        (element("p.a.b", "<"), '<p class="a b">&lt;</p>'),
    ],
)
def test_values_read_well(shown: str, expected: str) -> None:
    assert shown == expected


def test_table_cells_are_escaped_and_shortened() -> None:
    text = table([Column("name"), Column("n", True)], [["<b>" + "x" * 500, 3]])
    assert "&lt;b&gt;" in text
    assert len(Page(text).text) < 200
