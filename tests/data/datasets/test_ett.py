"""ETT files: the published rows and none other, found, fetched or refused in one sentence."""

import gzip
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.datasets.ett import FILES, TEST_END, TRAIN_END, VALIDATION_END, fetch_ett, read_ett
from data.datasets.series import read_series, rows_of_published_split, series_digest

MD5 = {
    "ETTh1": "8381763947c85f4be6ac456c508460d6",
    "ETTh2": "51a229a3fc13579dd939364fefe9c7ab",
}


@pytest.mark.shared
@pytest.mark.parametrize("name", FILES)
def test_the_published_rows(name: str, shared_datasets: Path) -> None:
    content = gzip.decompress((shared_datasets / "ett" / f"{name}.csv.gz").read_bytes())
    assert hashlib.md5(content).hexdigest() == MD5[name]
    found = read_ett(name, shared_datasets)
    assert list(found.channels) == ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    assert found.times[0] == datetime(2016, 7, 1, tzinfo=UTC)
    assert all(len(values) == TEST_END for values in found.channels.values())
    assert {b - a for a, b in zip(found.times, found.times[1:], strict=False)} == {
        timedelta(hours=1)
    }
    lines = content.decode().splitlines()
    assert found.channels["OT"][-1] == float(lines[TEST_END].split(",")[-1])


@pytest.mark.shared
def test_a_plain_file_reads_as_the_packed_one(tmp_path: Path, shared_datasets: Path) -> None:
    packed = (shared_datasets / "ett" / "ETTh1.csv.gz").read_bytes()
    (tmp_path / "ETTh1.csv").write_bytes(gzip.decompress(packed))
    assert read_ett("ETTh1", tmp_path) == read_ett("ETTh1", shared_datasets)


@pytest.mark.shared
def test_fetched_files_are_verified_and_read(tmp_path: Path, shared_datasets: Path) -> None:
    mirror, home = tmp_path / "mirror", tmp_path / "home"
    mirror.mkdir()
    packed = (shared_datasets / "ett" / "ETTh2.csv.gz").read_bytes()
    (mirror / "ETTh2.csv").write_bytes(gzip.decompress(packed))
    assert fetch_ett("ETTh2", home, mirror.as_uri()) == home / "ETTh2.csv"
    assert (
        read_ett("ETTh2", home).channels["OT"] == read_ett("ETTh2", shared_datasets).channels["OT"]
    )


def test_what_is_fetched_and_wrong_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "ETTh1.csv").write_text("date,OT\n")
    home = tmp_path / "home"
    with pytest.raises(ValueError, match=r"ETTh1.csv is not the published ETTh1"):
        fetch_ett("ETTh1", home, tmp_path.as_uri())
    with pytest.raises(ValueError, match=r"ETTh2.csv cannot be had"):
        fetch_ett("ETTh2", home, tmp_path.as_uri())
    assert list(home.iterdir()) == []


def test_other_files_and_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds neither ett/ETTh1.csv.gz nor ETTh1.csv; get it"):
        read_ett("ETTh1", tmp_path)
    (tmp_path / "ETTh1.csv").write_text("date,OT\n2016-07-01 00:00:00,1\n")
    with pytest.raises(ValueError, match=r"not the published ETTh1 \(SHA-256"):
        read_ett("ETTh1", tmp_path)


def test_named_series_know_their_split_and_their_folder() -> None:
    ends = (TRAIN_END, VALIDATION_END, TEST_END)
    assert rows_of_published_split("ETTh1") == ends == (8640, 11520, 14400)
    assert rows_of_published_split("seattle_temps") is None
    assert series_digest("ETTh1", "anywhere") == FILES["ETTh1"]
    with pytest.raises(ValueError, match="ETTh1 lies in no package"):
        read_series("ETTh1", "")
