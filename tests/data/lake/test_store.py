import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.lake import ContractError, DamagedError, Lake, LakeError
from tests.support import RECIPE, Measurements, measurements, publish


def parts(lake):
    return sorted(Path(lake.url).glob("*/snapshot=*/*.parquet"))


def test_what_is_published_is_read_back(lake):
    ref = publish(lake, measurements(5))
    assert (ref.table, ref.rows) == ("measurements", 5)
    assert ref.read().equals(Measurements.conform(measurements(5)))
    assert ref.read(["day"]).column_names == ["day"]
    assert lake.tables() == ["measurements"]


def test_the_record_says_what_went_in(lake):
    source = publish(lake, recipe="b" * 64)
    ref = publish(lake, recipe=RECIPE, run_id="12345678-and-more", inputs=[source])
    commit = lake.commit_of(ref)
    assert commit.inputs == [["measurements", source.snapshot]]
    assert commit.snapshot == f"{RECIPE[:12]}-12345678"
    assert commit.fields == {"recipe": RECIPE}
    assert commit.schema == {"station": "string", "day": "int64", "celsius": "double"}
    assert commit.files[0].rows == commit.rows == 3


def test_run_and_recipe_stand_in_the_parquet_file(folder):
    publish(folder, run_id="run")
    metadata = pq.read_schema(parts(folder)[0]).metadata
    assert metadata[b"headwater.recipe"] == RECIPE.encode()
    assert metadata[b"headwater.run"] == b"run"


def test_find_gives_the_newest_snapshot_of_a_recipe(lake):
    publish(lake, measurements(1))
    newest = publish(lake, measurements(2))
    publish(lake, measurements(3), recipe="c" * 64)
    assert lake.find("measurements", RECIPE).snapshot == newest.snapshot
    assert lake.find("measurements", "d" * 64) is None
    assert lake.find("nothing", RECIPE) is None


def test_one_run_may_publish_a_recipe_twice(lake):
    first, second = (publish(lake, run_id="1234567890") for _ in range(2))
    assert first.snapshot != second.snapshot


def test_rows_that_break_the_contract_leave_no_trace(folder):
    with pytest.raises(ContractError):
        publish(folder, measurements(celsius=-100.0))
    assert folder.tables() == []
    assert folder.orphans(older_than_hours=0) == []


@pytest.mark.parametrize("how", ["altered", "truncated", "gone"])
def test_damage_is_found_and_named(folder, how):
    ref = publish(folder)
    [part] = parts(folder)
    if how == "gone":
        part.unlink()
    else:
        content = part.read_bytes()
        part.write_bytes(content[:-9] if how == "truncated" else content[:-1] + b"x")
    [(commit, damage)] = folder.verify()
    assert commit.snapshot == ref.snapshot
    assert str(part) in damage
    with pytest.raises(DamagedError, match="table measurements"):
        ref.read()


def test_a_withdrawn_snapshot_is_out_of_sight_but_kept(folder):
    ref = publish(folder)
    folder.withdraw(folder.commit_of(ref))
    assert folder.find("measurements", RECIPE) is None
    assert folder.orphans(older_than_hours=0) == []
    with pytest.raises(DamagedError, match="is not in"):
        ref.read()


def test_garbage_is_what_has_no_record_and_is_old_enough(folder):
    kept = publish(folder)
    root = Path(folder.url)
    (root / ".tmp-staged").mkdir()
    (root / "measurements" / "snapshot=0-0").mkdir()
    (root / "measurements" / "snapshot=0-0" / "part-00000.parquet").touch()
    (root / "measurements" / "_commits" / ".tmp-record").touch()
    assert folder.orphans(older_than_hours=1) == []
    assert sorted(folder.orphans(older_than_hours=0)) == [
        ".tmp-staged",
        "measurements/_commits/.tmp-record",
        "measurements/snapshot=0-0",
    ]
    assert [c.snapshot for c in folder.commits("measurements")] == [kept.snapshot]


def test_a_newer_lake_is_refused(folder):
    publish(folder)
    (Path(folder.url) / "headwater.json").write_text('{"format": 2}')
    with pytest.raises(LakeError, match="has format 2, this Headwater reads up to 1"):
        Lake(folder.url)


def test_a_newer_record_is_refused(folder):
    commit = folder.commit_of(publish(folder))
    place = Path(folder.url) / commit.record
    place.write_text(json.dumps(json.loads(place.read_text()) | {"format": 2}))
    with pytest.raises(LakeError, match="has format 2"):
        folder.commits("measurements")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}'])
def test_a_damaged_record_is_named(folder, content):
    commit = folder.commit_of(publish(folder))
    (Path(folder.url) / commit.record).write_text(content)
    with pytest.raises(DamagedError, match=r"\.json is not a commit record"):
        folder.commits("measurements")


def test_a_file_is_no_lake(tmp_path):
    (tmp_path / "lake").touch()
    with pytest.raises(LakeError, match="is not a folder"):
        Lake(str(tmp_path / "lake"))


def test_a_name_that_reads_as_a_pattern_is_refused(tmp_path):
    with pytest.raises(LakeError, match=r"one of \* \? \["):
        Lake(str(tmp_path / "lake[1]"))


def test_an_unknown_protocol_is_told():
    with pytest.raises(LakeError, match="nosuch"):
        Lake("nosuch://lake")
