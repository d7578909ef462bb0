"""Documents for tests: a small PDF writer, and 500 ways in which a file can be wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator


def pdf(pages: list[str]) -> bytes:
    """A PDF file with a text layer, one string a page, its lines as they are (ASCII)."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, text in enumerate(pages):
        lines = "".join(
            f"({line.replace('(', '[').replace(')', ']')}) Tj 0 -14 Td "
            for line in text.split("\n")
        )
        drawn = f"BT /F1 12 Tf 50 800 Td {lines}ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * i} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    body, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF"
    ).encode()


PLAIN = "Name: Türkis\nAuthor: Ada\n\n1. Purpose\n\nTo measure the tide: 5 €.\n" * 20
PAGE = (
    "<!DOCTYPE html><html><head><title>Tide</title><script>1 < 2</script></head><body>"
    + "<table><tr><th>Name</th><td>Türkis &amp; co</td></tr></table><p class='x'>To measure</p>" * 9
    + "</body></html>"
)


def fuzzed(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """n names and contents, each wrong in one of a dozen ways."""
    rng = random.Random(seed)
    ways = [
        _truncated, _binary, _wrong_encoding, _nested, _one_line, _flipped, _spliced, _repeated,
        _odd_bytes, _cut_pdf, _flipped_pdf, _declared, _tiny,
    ]  # fmt: skip
    for number in range(n):
        way = ways[number % len(ways)]
        suffix = rng.choice([".txt", ".md", ".html", ".pdf", ".xml", ""])
        yield f"{way.__name__[1:]}-{number:03d}{suffix}", way(rng)


def _source(rng: random.Random) -> bytes:
    return rng.choice([PLAIN, PAGE]).encode()


def _truncated(rng: random.Random) -> bytes:
    content = _source(rng)
    return content[: rng.randrange(len(content))]


def _binary(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(1, 20_000))


def _wrong_encoding(rng: random.Random) -> bytes:
    encoding = rng.choice(["utf-16", "utf-16-le", "utf-32", "cp1252", "utf-7", "utf-8-sig"])
    return rng.choice([PLAIN, PAGE]).encode(encoding, "replace")


def _nested(rng: random.Random) -> bytes:
    depth = rng.choice([100, 5_000, 50_000])
    tag = rng.choice(["div", "table><tr><td", "b", "ul><li", "x"])
    closed = f"</{tag.split('>')[0]}>" * (depth if rng.random() < 0.5 else 0)
    return f"<html><body>{f'<{tag}>' * depth}Name: x{closed}".encode()


def _one_line(rng: random.Random) -> bytes:
    piece = rng.choice(["a", "Name: x ", "<p>", "&amp;", "$\\mu$", "a:b|", "<td ", "=-", "K12 "])
    return (piece * (500_000 // len(piece))).encode()


def _flipped(rng: random.Random) -> bytes:
    content = bytearray(_source(rng))
    for _ in range(rng.randrange(1, 40)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def _spliced(rng: random.Random) -> bytes:
    pieces = [_source(rng), pdf(["Name: x"]), rng.randbytes(50), b"\r\r\n\f\v"]
    rng.shuffle(pieces)
    return b"".join(piece[rng.randrange(len(piece)) :] for piece in pieces)


def _repeated(rng: random.Random) -> bytes:
    return rng.choice(["\n", "\r", " \n", "\t:\n", "#\n", "===\n", "a:\n"]).encode() * 100_000


def _odd_bytes(rng: random.Random) -> bytes:
    odd = ["\u202e", "\ufeff", "\u0000", "\x1b[2J", "\U0001f600", "e\u0301", "\ud7ff", "\u2028"]
    return "".join(rng.choice([*odd, "Name: x\n"]) for _ in range(500)).encode()


def _cut_pdf(rng: random.Random) -> bytes:
    content = pdf(["Name: x\nAuthor: Ada", "the end"])
    return content[: rng.randrange(9, len(content))]


def _flipped_pdf(rng: random.Random) -> bytes:
    content = bytearray(pdf(["Name: x\nAuthor: Ada", "the end"]))
    for _ in range(rng.randrange(1, 30)):
        content[rng.randrange(9, len(content))] = rng.randrange(256)
    return bytes(content)


def _declared(rng: random.Random) -> bytes:
    name = rng.choice(["latin-1", "rot13", "hex", "utf-16", "nonsense", "idna", "utf-7", "zlib"])
    return f'<html><meta charset="{name}"><body>Caf\xe9 Name: x'.encode("latin-1")


def _tiny(rng: random.Random) -> bytes:
    return rng.choice([b"", b" ", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b"<", b"a", b"%PDF-"])
