"""Batches: what is old stays where it is, what is new comes in new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.datasets.documents import File
from data.lake import Lake
from models.evaporate.config import CorpusConfig
from tasks.evaporate_intake import Member, _arranged, take_in


def file(number: int) -> File:
    return File(f"d{number}", number + 1, f"{number * 7919 % 1000:03d}")


def member(number: int) -> Member:
    one = file(number)
    return one.doc_id, one.size, one.sha256


def arranged(
    files: list[File], known: dict[int, list[Member]], size: int
) -> tuple[dict[int, set[str]], list[int]]:
    batches, empty = _arranged(files, known, size)
    return {batch.number: {doc_id for doc_id, _, _ in batch.members} for batch in batches}, empty


def test_first_come_full_batches_in_the_order_of_hashes() -> None:
    batches, empty = _arranged([file(i) for i in range(10)], {}, 4)
    assert [(b.number, len(b.members)) for b in batches] == [(0, 4), (1, 4), (2, 2)]
    hashes = [sha256 for batch in batches for _, _, sha256 in batch.members]
    assert hashes == sorted(hashes)
    assert empty == []


def test_new_documents_leave_old_batches_alone() -> None:
    known = {0: [member(i) for i in range(40)], 1: [member(i) for i in range(40, 50)]}
    found, _ = arranged([file(i) for i in range(60)], known, 40)
    assert found[0] == {f"d{i}" for i in range(40)}
    assert found[1] == {f"d{i}" for i in range(40, 50)}
    assert found[2] == {f"d{i}" for i in range(50, 60)}


def test_a_small_last_batch_takes_in_what_is_new() -> None:
    known = {0: [member(i) for i in range(100)], 1: [member(i) for i in range(100, 104)]}
    found, _ = arranged([file(i) for i in range(109)], known, 100)
    assert {number: len(there) for number, there in found.items()} == {0: 100, 1: 9}


def test_what_is_gone_or_changed_leaves_its_batch() -> None:
    known = {0: [member(0), member(1)], 1: [member(2)], 3: [("d3", 4, "another hash")]}
    found, empty = arranged([file(1), file(3)], known, 2)
    assert found == {0: {"d1"}, 4: {"d3"}}
    assert empty == [1, 3]


def test_a_folder_is_taken_in(tmp_path: Path, lake_url: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Name: x")
    (tmp_path / "in" / "b.txt").write_text("Name: x")
    taken = take_in(CorpusConfig(folder=str(tmp_path / "in"), topic="My Things!"), Lake(lake_url))
    assert taken.collection == "my_things"
    assert [m[0] for batch in taken.batches for m in batch.members] == ["a.txt"]
    assert [bad.item for bad in taken.left_out] == ["b.txt"]


def test_calls_that_cannot_work(tmp_path: Path, lake_url: str) -> None:
    lake = Lake(lake_url)
    with pytest.raises(ValueError, match="is not a folder"):
        take_in(CorpusConfig(folder=str(tmp_path / "no"), topic="x"), lake)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no documents in"):
        take_in(CorpusConfig(folder=str(tmp_path / "empty"), topic="x"), lake)
    with pytest.raises(ValueError, match="give some letters"):
        take_in(CorpusConfig(topic="???"), lake)
