"""Folders of documents: encodings, kinds, duplicates, and 500 files that are wrong somehow."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from data.datasets.documents import (
    MAX_MIB,
    Document,
    File,
    Unreadable,
    read_document,
    read_documents,
    scan,
    text_of,
)
from tests.data.datasets.documents import PLAIN, fuzzed, pdf


def put(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("content", "suffix", "expected"),
    [
        pytest.param("naïve 5 €".encode(), ".txt", ("naïve 5 €", "text"), id="utf-8"),
        pytest.param("\ufeffnaïve".encode(), "", ("naïve", "text"), id="utf-8-mark"),
        pytest.param("naïve".encode("utf-16"), "", ("naïve", "text"), id="utf-16"),
        pytest.param("naïve".encode("utf-32"), "", ("naïve", "text"), id="utf-32"),
        pytest.param("5 € x".encode("cp1252"), "", ("5 € x", "text"), id="cp1252"),
        pytest.param("naïve".encode()[:-1] + "ï".encode()[:1], "", ("naïv", "text"), id="cut"),
        pytest.param(b"# A\r\n\r\nb", ".md", ("# A\r\n\r\nb", "markdown"), id="markdown"),
        pytest.param(b"<p>a</p>", ".html", ("<p>a</p>", "html"), id="html-by-name"),
        pytest.param(b" <!DOCTYPE html>a", "", (" <!DOCTYPE html>a", "html"), id="html-by-look"),
        pytest.param(b"<a> < b", ".txt", ("<a> < b", "text"), id="tags-are-no-html"),
        pytest.param(
            '<html><meta charset="koi8-r">тест'.encode("koi8-r"), "",
            ('<html><meta charset="koi8-r">тест', "html"), id="declared",
        ),
        pytest.param(
            '<html><meta charset="latin-1">тест'.encode(), "",
            ('<html><meta charset="latin-1">тест', "html"), id="declared-wrongly",
        ),
        pytest.param(pdf(["Name: x\nAge", "end"]), "", ("Name: x\nAge\nend", "pdf"), id="pdf"),
    ],
)  # fmt: skip
def test_text_and_kind(content: bytes, suffix: str, expected: tuple[str, str]) -> None:
    assert text_of(content, suffix) == expected


@pytest.mark.parametrize(
    ("content", "suffix", "reason"),
    [
        pytest.param(b"", ".txt", "empty file", id="empty"),
        pytest.param(b" \n\t", ".txt", "empty file", id="blank"),
        pytest.param(b"\xef\xbb\xbf", ".txt", "empty file", id="mark-alone"),
        pytest.param(b"a\0b", ".txt", "NUL bytes", id="nul"),
        pytest.param(
            b"a\x81\xffb" * 9, ".txt", "not text in any of utf-8, cp1252", id="undecodable"
        ),
        pytest.param(bytes(range(1, 32)) * 9, ".txt", "are control characters", id="binary"),
        pytest.param(b"hello", ".pdf", "lacks the PDF header", id="no-pdf"),
        pytest.param(b"%PDF-1.4 junk", ".pdf", "cannot be opened", id="broken-pdf"),
        pytest.param(pdf([""]), ".pdf", "1 pages without a text layer", id="scan"),
    ],
)
def test_what_holds_no_text(content: bytes, suffix: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        text_of(content, suffix)


def test_a_folder_is_listed_once_by_content(tmp_path: Path) -> None:
    put(tmp_path, b_txt=b"two", a_txt=b"one", sub__c_md=b"two", _hidden=b"x", _git__x=b"x")
    (tmp_path / "missing").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    files, left_out = scan(tmp_path)
    assert files == [
        File("a.txt", 3, hashlib.sha256(b"one").hexdigest()),
        File("b.txt", 3, hashlib.sha256(b"two").hexdigest()),
    ]
    assert left_out == [
        Unreadable("missing", "cannot be read: No such file or directory"),
        Unreadable("pipe", "not a plain file"),
        Unreadable("sub/c.md", "same content as b.txt"),
    ]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a folder"):
        scan(tmp_path / "no")


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    assert scan(tmp_path) == ([], [Unreadable("?.txt", "its name is not UTF-8")])


def test_changed_gone_and_large_files_are_told(tmp_path: Path) -> None:
    put(tmp_path, a_txt=b"one", b_txt=b"two", c_txt=b"x" * ((MAX_MIB << 20) + 1), d_txt=b"fine")
    files, _ = scan(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"One")
    (tmp_path / "b.txt").unlink()
    documents, unreadable = read_documents(tmp_path, files)
    assert [(d.doc_id, d.text) for d in documents] == [("d.txt", "fine")]
    assert unreadable == [
        Unreadable("a.txt", "changed while it was being read; run again"),
        Unreadable("b.txt", "cannot be read: No such file or directory"),
        Unreadable("c.txt", f"{MAX_MIB + 0.0:.1f} MiB, at most {MAX_MIB} are read"),
    ]


def test_fuzzed_documents_are_read_or_told(tmp_path: Path) -> None:
    """500 files: each becomes a document or is left out with a reason; none is lost."""
    made = dict(fuzzed(500, seed=0))
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "line.txt").write_bytes(b"Name: x " * (50 << 17))
    files, left_out = scan(tmp_path)
    documents, unreadable = read_documents(tmp_path, files)
    told = [*left_out, *unreadable]
    assert sorted([d.doc_id for d in documents] + [bad.item for bad in told]) == sorted(
        [*made, "line.txt"]
    )
    assert all(bad.reason for bad in told)
    assert len(documents) > 100
    for document in documents:
        document.text.encode()  # fits a table
        assert document.text.strip()


def test_the_document_knows_its_file(tmp_path: Path) -> None:
    content = PLAIN.encode()
    put(tmp_path, a__b_txt=content)
    (file,), _ = scan(tmp_path)
    digest = hashlib.sha256(content).hexdigest()
    assert read_document(tmp_path, file) == Document("a/b.txt", PLAIN, "text", len(content), digest)
