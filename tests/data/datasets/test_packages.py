"""The METADATA files of installed packages: text as on disk, truth as importlib.metadata has it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from pathlib import Path

import pytest

from data.datasets.packages import ATTRIBUTES, package_truth, packages_digest, read_packages

PLAIN = b"""Metadata-Version: 2.4
Name: Tidal.Pool
Version: 1.0
Author-email: Ada <ada@example.org>
License: First line
        second line
Keywords: a,b

Name: a line of the description
"""


def install(folder: Path, name: str, content: bytes) -> None:
    target = folder / f"{name}.dist-info"
    target.mkdir(parents=True)
    (target / "METADATA").write_bytes(content)


def test_text_is_the_file_and_truth_its_headers(tmp_path: Path) -> None:
    install(tmp_path, "tidal_pool-1.0", PLAIN)
    (document,), unreadable = read_packages([tmp_path])
    assert unreadable == []
    assert document.doc_id == "tidal-pool"
    assert document.text.encode() == PLAIN
    assert document.size == len(PLAIN)
    assert document.sha256 == hashlib.sha256(PLAIN).hexdigest()
    truth = package_truth(document.text)
    assert list(truth) == list(ATTRIBUTES)
    assert truth["Name"] == "Tidal.Pool"
    assert truth["Author-email"] == "Ada <ada@example.org>"
    assert truth["Author"] is None
    assert (truth["License"] or "").split() == ["First", "line", "second", "line"]


def test_field_names_are_matched_without_case() -> None:
    assert package_truth("Name: x\nAUTHOR-EMAIL: a@b.c\n\n")["Author-email"] == "a@b.c"


def test_blank_field_has_no_value() -> None:
    assert package_truth("Name: x\nSummary:   \n\n")["Summary"] is None


def test_empty_text_has_no_values() -> None:
    assert set(package_truth("").values()) == {None}


def test_first_copy_on_the_path_counts(tmp_path: Path) -> None:
    install(tmp_path / "near", "pool-2", b"Name: pool\nVersion: 2\n")
    install(tmp_path / "far", "Pool-1", b"Name: Pool\nVersion: 1\n")
    (document,), _ = read_packages([tmp_path / "near", tmp_path / "far"])
    assert package_truth(document.text)["Version"] == "2"


def test_documents_are_sorted_by_name_not_by_folder(tmp_path: Path) -> None:
    install(tmp_path, "a-1", b"Name: zebra\n")
    install(tmp_path, "b-1", b"Name: Ant\n")
    assert [d.doc_id for d in read_packages([tmp_path])[0]] == ["ant", "zebra"]


@pytest.mark.parametrize(
    ("content", "author"),
    [
        pytest.param("Name: x\nAuthor: Žofie\n".encode(), "Žofie", id="utf-8"),
        pytest.param("Name: x\nAuthor: Žofie\n".encode("utf-8-sig"), "Žofie", id="utf-8-bom"),
        pytest.param("Name: x\nAuthor: Žofie\n".encode("cp1252"), "Žofie", id="cp1252"),
        pytest.param(b"Name: x\r\nAuthor: Ada\r\n\r\nText\r\n", "Ada", id="crlf"),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, content: bytes, author: str) -> None:
    install(tmp_path, "x-1", content)
    (document,), _ = read_packages([tmp_path])
    assert package_truth(document.text)["Author"] == author
    assert ("\r\n" in document.text) == (b"\r\n" in content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b" \n", "empty file", id="empty"),
        pytest.param(b"Name: x\0\n", "not text: it holds NUL bytes", id="nul"),
        pytest.param(b"Name: \x81\xff\n", "not text in any of utf-8, cp1252", id="undecodable"),
        pytest.param(b"Version: 1\n", "no Name header", id="nameless"),
    ],
)
def test_unreadable_files_are_returned_apart(tmp_path: Path, content: bytes, reason: str) -> None:
    install(tmp_path, "bad-1", content)
    install(tmp_path, "good-1", PLAIN)
    documents, (bad,) = read_packages([tmp_path])
    assert len(documents) == 1
    assert (bad.item, bad.reason) == ("bad-1.dist-info/METADATA", reason)


def test_a_folder_in_place_of_the_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "odd-1.dist-info" / "METADATA").mkdir(parents=True)
    documents, (bad,) = read_packages([tmp_path])
    assert documents == []
    assert bad.reason.startswith("cannot be read")


def test_digest_follows_the_installed_packages(tmp_path: Path) -> None:
    install(tmp_path, "a-1", b"Name: a\nVersion: 1\n")
    before = packages_digest([tmp_path])
    assert packages_digest([tmp_path]) == before
    install(tmp_path, "b-1", b"Name: b\n")
    added = packages_digest([tmp_path])
    (tmp_path / "a-1.dist-info" / "METADATA").write_bytes(b"Name: a\nVersion: 2\n")
    assert len({before, added, packages_digest([tmp_path])}) == 3


def test_this_environment_agrees_with_importlib_metadata() -> None:
    documents, _ = read_packages()
    found = {document.doc_id: document for document in documents}
    for name in ("pytest", "numpy", "pydantic"):
        truth, expected = package_truth(found[name].text), importlib.metadata.metadata(name)
        for attribute in ATTRIBUTES:
            values = expected.get_all(attribute) or [""]
            assert truth[attribute] == (values[0].strip() or None), (name, attribute)


def test_digest_of_this_environment_is_cheap() -> None:
    packages_digest()  # files in the page cache
    start = time.perf_counter()
    packages_digest()
    assert time.perf_counter() - start < 1.0
