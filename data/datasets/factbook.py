"""The World Factbook's entries as documents: one set of facts, rendered through unlike templates.

Truth is what is rendered, so the same facts can be asked of every template, and a folder of mixed
renderings says how well sources are told apart.
"""

from __future__ import annotations

import html
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Attribute: where it stands in an entry.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Country": ("Government", "Country name", "conventional short form"),
    "Long form": ("Government", "Country name", "conventional long form"),
    "Capital": ("Government", "Capital", "name"),
    "Government type": ("Government", "Government type"),
    "Location": ("Geography", "Location"),
    "Total area": ("Geography", "Area", "total "),
    "Climate": ("Geography", "Climate"),
    "Population": ("People and Society", "Population", "total"),
    "Languages": ("People and Society", "Languages", "Languages"),
    "Industries": ("Economy", "Industries"),
    "Internet code": ("Communications", "Internet country code"),
}
_BACKGROUND = ("Introduction", "Background")
_TAG = re.compile(r"<[^<>]*>")

Entry = Mapping[str, str | None]  # value by attribute, and under "Background" some prose


def read_factbook(archive: str | Path) -> dict[str, Entry]:
    """Entries by their two-letter name, those that are countries or areas with a name."""
    entries: dict[str, Entry] = {}
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda one: one.name):
            file = tar.extractfile(member) if member.name.endswith(".json") else None
            if file is None:
                continue
            facts = json.load(file)
            entry = {name: _leaf(facts, path) for name, path in ATTRIBUTES.items()}
            if entry["Country"]:
                entry["Background"] = _leaf(facts, _BACKGROUND)
                entries[Path(member.name).stem] = entry
    return entries


def as_infobox(entry: Entry) -> str:
    """An HTML page: prose, and a table of facts with a heading cell each."""
    rows = "\n".join(
        f'<tr><th>{html.escape(name)}</th><td class="fact">{html.escape(value)}</td></tr>'
        for name in ATTRIBUTES
        if (value := entry[name])
    )
    title = html.escape(entry["Country"] or "")
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title} - Atlas</title></head>\n<body>\n"
        f'<div id="menu"><a href="/">Home</a> <a href="/all">All countries</a></div>\n'
        f"<h1>{title}</h1>\n<p>{html.escape(entry['Background'] or '')}</p>\n"
        f'<table class="infobox">\n{rows}\n</table>\n</body></html>\n'
    )


def as_memorandum(entry: Entry) -> str:
    """Plain text: numbered headings, each value in a paragraph of its own below."""
    facts = [f"{name.upper()}\n\n   {value}" for name in ATTRIBUTES if (value := entry[name])]
    body = "\n\n".join(f"{number}. {fact}" for number, fact in enumerate(facts, start=1))
    return (
        "MEMORANDUM FOR THE RECORD\n=========================\n\n"
        f"Subject: country summary\n\n{body}\n\nREMARKS\n\n   {entry['Background'] or ''}\n"
    )


def as_card(entry: Entry) -> str:
    """Plain text: a line a fact, label and value."""
    lines = "\n".join(f"{name}: {value}" for name in ATTRIBUTES if (value := entry[name]))
    return f"{lines}\n\n{entry['Background'] or ''}\n"


def _leaf(facts: Any, path: tuple[str, ...]) -> str | None:
    for key in path:
        facts = facts.get(key) if isinstance(facts, dict) else None
    text = facts.get("text") if isinstance(facts, dict) else None
    if text is None:
        return None
    return " ".join(html.unescape(_TAG.sub(" ", text)).split()) or None
