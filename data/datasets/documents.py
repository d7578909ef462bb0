"""A folder of documents: text, Markdown, HTML and PDF files, read as text, each with its hash.

A document's text is what its file says: of PDF the text layer, page after page; of everything else
the decoded file, HTML tags and line ends included, so that a place in the text is a place in the
file. What cannot be read is told with its reason and the rest goes on.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_MIB = 16  # of one file; a document beyond it is a data set
MAX_PAGES = 2_000  # of one PDF file
_HASH_BLOCK = 1 << 20
_SNIFFED = 4_096  # bytes in which a file says what it is
_MAX_CONTROL = 0.02  # share of control characters up to which decoded bytes pass for text

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.I)
_CODE_PAGES = (
    "iso8859", "cp", "koi8", "mac", "shift_jis", "euc", "gb", "big5", "utf-16", "utf-32",
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_HTML_ENDINGS = {".html", ".htm", ".xhtml"}
_MARKDOWN_ENDINGS = {".md", ".markdown"}
_HTML = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I)

# PDFium works on one document at a time in a process.
_pdfium = threading.Lock()


@dataclass(frozen=True)
class File:
    """A file of the folder. doc_id: its path within it, with forward slashes."""

    doc_id: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Document:
    """What a file says. kind: text, markdown, html or pdf."""

    doc_id: str
    text: str
    kind: str
    size: int  # bytes of the file
    sha256: str


@dataclass(frozen=True)
class Unreadable:
    """A file that could not become a document, and why."""

    item: str
    reason: str


def scan(folder: str | Path) -> tuple[list[File], list[Unreadable]]:
    """All files below `folder` by doc_id, hashed, each content once; and those left out.

    Hidden files and folders are passed over in silence, links to folders are not followed. Of files
    with equal content the first in order counts, the others are told with its name.
    Raises ValueError if there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: give the folder that holds the documents")
    files: dict[str, File] = {}
    left_out: list[Unreadable] = []
    for doc_id, path in sorted(_walk(root)):
        try:
            size, digest = _hashed(path)
            doc_id.encode()
        except UnicodeEncodeError:
            shown = doc_id.encode("utf-8", "replace").decode()
            left_out.append(Unreadable(shown, "its name is not UTF-8"))
        except (OSError, ValueError) as error:
            left_out.append(Unreadable(doc_id, _reason(error)))
        else:
            first = files.setdefault(digest, File(doc_id, size, digest))
            if first.doc_id != doc_id:
                left_out.append(Unreadable(doc_id, f"same content as {first.doc_id}"))
    return sorted(files.values(), key=lambda file: file.doc_id), left_out


def read_document(folder: str | Path, file: File, max_mib: int = MAX_MIB) -> Document:
    """The document in a file found by `scan`.

    Raises ValueError, its message the reason, if it is too large, empty, no text, damaged or no
    longer what was scanned.
    """
    if file.size > max_mib << 20:
        raise ValueError(f"{file.size / 2**20:.1f} MiB, at most {max_mib} are read")
    try:
        content = (Path(folder) / file.doc_id).read_bytes()
    except OSError as error:
        raise ValueError(_reason(error)) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError("changed while it was being read; run again")
    text, kind = text_of(content, Path(file.doc_id).suffix.lower())
    return Document(file.doc_id, text, kind, file.size, file.sha256)


def read_documents(
    folder: str | Path, files: Sequence[File], max_mib: int = MAX_MIB
) -> tuple[list[Document], list[Unreadable]]:
    """The documents in order and, apart, the files that are none."""
    documents: list[Document] = []
    unreadable: list[Unreadable] = []
    for file in files:
        try:
            documents.append(read_document(folder, file, max_mib))
        except ValueError as error:
            unreadable.append(Unreadable(file.doc_id, str(error)))
    return documents, unreadable


def text_of(content: bytes, suffix: str = "") -> tuple[str, str]:
    """Text and kind of a file's bytes; `suffix` (".md") decides where the bytes leave it open.

    Raises ValueError saying why the bytes hold no text.
    """
    if not content.strip():
        raise ValueError("empty file")
    if b"%PDF-" in content[:1024]:
        return _pdf_text(content), "pdf"
    if suffix == ".pdf":
        raise ValueError("not a PDF file: it lacks the PDF header")
    text = _decoded(content)
    if not text.strip():
        raise ValueError("empty file")
    if suffix in _HTML_ENDINGS or _HTML.match(content[:_SNIFFED]):
        return text, "html"
    return text, "markdown" if suffix in _MARKDOWN_ENDINGS else "text"


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                path = Path(folder) / name
                yield path.relative_to(root).as_posix(), path


def _hashed(path: Path) -> tuple[int, str]:
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a plain file")
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _decoded(content: bytes) -> str:
    """By byte order mark, by what the file declares, as UTF-8, as the old Windows code page."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            text = _decode(content, encoding)
            return _unknown(encoding) if text is None else _checked(text)
    if b"\0" in content:
        raise ValueError("not text: it holds NUL bytes")
    # Declarations lie more often than text is valid UTF-8 by chance.
    declared = _DECLARED.search(content[:_SNIFFED])
    names = ["utf-8", *(_code_page(declared[1].decode("ascii")) if declared else ()), "cp1252"]
    for name in names:
        text = _decode(content, name)
        if text is not None:
            return _checked(text)
    return _unknown(", ".join(names))


def _code_page(name: str) -> Iterator[str]:
    """The declared encoding if it is one of texts: Python knows slow and strange ones besides."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return
    if known.startswith(_CODE_PAGES):
        yield known


def _decode(content: bytes, encoding: str) -> str | None:
    """The text; None if it is not so encoded. A character cut off at the very end is dropped."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start >= len(content) - 3 and error.reason in (
            "unexpected end of data",
            "truncated data",
        ):
            return content[: error.start].decode(encoding)
        return None


def _unknown(encodings: str) -> str:
    raise ValueError(f"not text in any of {encodings}")


def _checked(text: str) -> str:
    """Any bytes are some text to a code page; binary ones show by their control characters."""
    controls = len(_CONTROL.findall(text))
    if controls > _MAX_CONTROL * len(text):
        raise ValueError(f"not text: {controls / len(text):.0%} of it are control characters")
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair fits no table


def _pdf_text(content: bytes) -> str:
    import pypdfium2

    try:
        with _pdfium, pypdfium2.PdfDocument(content) as pdf:
            if len(pdf) > MAX_PAGES:
                raise ValueError(f"{len(pdf)} pages, at most {MAX_PAGES} are read")
            pages = [_page_text(pdf, i) for i in range(len(pdf))]
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"a PDF file that cannot be opened: {error}") from error
    text = "\n".join(pages).replace("\r\n", "\n").replace("\0", "")
    if not text.strip():
        raise ValueError(f"a PDF file of {len(pages)} pages without a text layer")
    return text.encode("utf-8", "replace").decode()


def _page_text(pdf: object, number: int) -> str:
    page = pdf[number]  # type: ignore[index]
    try:
        layer = page.get_textpage()
        try:
            return str(layer.get_text_range())
        finally:
            layer.close()
    finally:
        page.close()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return str(error)
