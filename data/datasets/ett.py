"""ETTh1 and ETTh2: hourly load and oil temperature of two electricity transformers, 2016 to 2018.

Zhou et al., Informer, AAAI 2021; github.com/zhouhaoyi/ETDataset, folder ETT-small. CC BY-ND 4.0:
the files are read as published and never kept in another form but a user's own lake. Columns HUFL,
HULL, MUFL, MULL, LUFL, LULL (loads) and OT (oil temperature, the usual target).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import shutil
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from data.datasets.hourly import HourlySeries

# SHA-256 of the CSV files, uncompressed
FILES = {
    "ETTh1": "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    "ETTh2": "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
}
# The published split: 12, 4 and 4 months of 30 days; the 3,020 rows after them are never used.
TRAIN_END, VALIDATION_END, TEST_END = 8640, 11520, 14400
_URL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"


def read_ett(name: str, folder: Path) -> HourlySeries:
    """The rows of the published split of one file, all seven channels.

    folder: holds `ett/<name>.csv.gz` or `<name>.csv`. Raises ValueError naming the file when it is
    missing or not the published one.
    """
    path, content = _content(name, folder)
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise ValueError(
            f"{path}: not the published {name} (SHA-256 {found[:12]}, not {FILES[name][:12]}); "
            "get it again"
        )
    rows = list(csv.DictReader(content.decode().splitlines()))[:TEST_END]
    times = [datetime.fromisoformat(row["date"]).replace(tzinfo=UTC) for row in rows]
    channels = [channel for channel in rows[0] if channel != "date"]
    return HourlySeries(times, {c: [float(row[c]) for row in rows] for c in channels})


def fetch_ett(name: str, folder: Path, url: str = _URL) -> Path:
    """Gets a file from its authors' repository into `folder`, whole and verified or not at all.

    Raises ValueError when it cannot be had or is not the published one.
    """
    target = folder / f"{name}.csv"
    part = target.with_suffix(".part")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with urllib.request.urlopen(f"{url}/{name}.csv", timeout=60) as answer:
            with part.open("wb") as file:
                shutil.copyfileobj(answer, file)
        if hashlib.sha256(part.read_bytes()).hexdigest() != FILES[name]:
            raise ValueError(f"{url}/{name}.csv is not the published {name}")
        part.replace(target)
    except OSError as error:
        raise ValueError(f"{url}/{name}.csv cannot be had: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _content(name: str, folder: Path) -> tuple[Path, bytes]:
    for path in (folder / "ett" / f"{name}.csv.gz", folder / f"{name}.csv"):
        if path.is_file():
            content = path.read_bytes()
            return path, gzip.decompress(content) if path.suffix == ".gz" else content
    raise ValueError(
        f"{folder}: holds neither ett/{name}.csv.gz nor {name}.csv; get it with "
        f'python -c "from pathlib import Path; from data.datasets.ett import fetch_ett; '
        f"fetch_ett('{name}', Path('{folder}'))\""
    )
