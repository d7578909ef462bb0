"""Plain texts to train language models on: Shakespeare, and prose of installed packages."""

from __future__ import annotations

import gzip
import hashlib
from email import message_from_string
from pathlib import Path


def read_shakespeare(folder: Path) -> str:
    """Tiny Shakespeare: 1,115,394 characters of plays (public domain).

    Raises ValueError naming the file when it is not there.
    """
    path = folder / "input.txt.gz"
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    except OSError as error:
        raise ValueError(f"{path}: no Tiny Shakespeare ({error})") from error


def installed_prose(folder: Path, shortest: int = 500) -> str:
    """English of installed Python packages: their descriptions and text files, each once.

    folder: a site-packages folder. Taken are long descriptions of *.dist-info/METADATA and .md,
    .rst and .txt files of at least `shortest` characters, in the order of their paths.
    Raises ValueError when there is none.
    """
    texts: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.name != "METADATA" and path.suffix not in (".md", ".rst", ".txt"):
            continue
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if path.name == "METADATA":
            text = str(message_from_string(text).get_payload())
        words = text.split()
        lettered = sum(word.isalpha() for word in words)
        # Lists of names, tables and licences of data are no prose.
        if len(text) >= shortest and lettered >= 0.6 * len(words):
            texts.setdefault(hashlib.sha256(text.encode()).hexdigest(), text)
    if not texts:
        raise ValueError(f"{folder}: no prose of installed packages")
    return "\n\n".join(texts.values())
