from pathlib import Path

import duckdb
import pytest

from data.lake import DamagedError, Lake
from data.lake.catalog import Catalog, QueryError, refresh, run_sql
from data.lake.tables import CONTRACTS
from data.lake.tables.house import Lineage
from tests.support import measurements, publish


def rows(lake, sql):
    return Catalog(lake).query(sql).fetchall()


def test_the_view_is_the_latest_snapshot_and_all_is_everything(lake):
    first = publish(lake, measurements(2), recipe="b" * 64)
    last = publish(lake, measurements(3))
    assert rows(lake, "SELECT count(*) FROM measurements") == [(3,)]
    counted = rows(lake, "SELECT _snapshot, count(*) FROM measurements_all GROUP BY ALL ORDER BY 2")
    assert counted == [(first.snapshot, 2), (last.snapshot, 3)]


def lineage(lake, run_id, table):
    import pyarrow as pa

    row = {"run_id": run_id, "table_name": table, "snapshot": "s"}
    full = [row | {"input_table": None, "input_snapshot": None}]
    rows = pa.Table.from_pylist(full, schema=Lineage.arrow_schema())
    return lake.publish(Lineage, rows, recipe=f"{run_id * 64}"[:64], fields={})


def test_partitions_show_side_by_side_and_the_newest_of_each(lake):
    for run, table in (("1", "old"), ("2", "other"), ("1", "new")):
        lineage(lake, run, table)
    assert rows(lake, "SELECT run_id, table_name, snapshot FROM lineage ORDER BY ALL") == [
        ("1", "new", "s"),
        ("2", "other", "s"),
    ]


@pytest.mark.parametrize("table", CONTRACTS)
def test_every_table_has_its_contracts_types_before_its_first_snapshot(folder, table):
    described = [(name, kind) for name, kind, *_ in rows(folder, f"DESCRIBE {table}")]
    assert described == [(c.name, c.sql_type) for c in CONTRACTS[table].columns]
    assert rows(folder, f"SELECT count(*) FROM {table}") == [(0,)]


def test_an_older_schema_reads_as_nulls(folder):
    """A column added to a contract later is null in the snapshots before it."""
    import pyarrow as pa

    from data.lake import Contract, column

    class Before(Contract, table="runs", partition=("run_id",)):
        """Runs as they were."""

        run_id: str = column("id")

    folder.publish(Before, pa.table({"run_id": ["r"]}), recipe="e" * 64, fields={})
    assert rows(folder, "SELECT run_id, seconds FROM runs") == [("r", None)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "FROM '/etc/passwd'",
        "COPY measurements TO '{file}'",
        "EXPLAIN ANALYZE COPY measurements TO '{file}'",
        "COPY (SELECT 1) TO '{part}'",
        "ATTACH '{file}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "CREATE TABLE t (a INT)",
        "DROP VIEW measurements",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SELECT 1; DROP VIEW measurements",
        "",
        "SELEC 1",
        "SELECT nothing FROM measurements",
        "SELECT * FROM nowhere",
    ],
)
def test_a_query_reads_views_and_nothing_else(folder, tmp_path, sql):
    ref = publish(folder)
    part = folder.paths(folder.commit_of(ref))[0]
    before = Path(part).read_bytes()
    catalog = Catalog(folder)
    with pytest.raises(QueryError) as told:
        catalog.query(sql.format(file=tmp_path / "out", part=part)).fetchall()
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()
    assert Path(part).read_bytes() == before
    assert catalog.query("SELECT count(*) FROM measurements").fetchall() == [(3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE measurements",
        "SHOW TABLES",
        "SUMMARIZE measurements",
        "EXPLAIN SELECT 1",
        "WITH a AS (FROM measurements) SELECT * FROM a",
        "PIVOT measurements ON day USING sum(celsius)",
    ],
)
def test_all_kinds_of_reading_are_allowed(folder, sql):
    publish(folder)
    assert rows(folder, sql)


@pytest.mark.parametrize("how", ["altered", "gone"])
def test_a_damaged_table_is_named_and_the_others_can_be_read(folder, how):
    ref = publish(folder)
    lineage(folder, "1", "t")
    part = Path(folder.paths(folder.commit_of(ref))[0])
    part.unlink() if how == "gone" else part.write_bytes(b"not parquet")
    with pytest.raises(DamagedError, match=r"table measurements: .*part-00000\.parquet"):
        rows(folder, "SELECT * FROM measurements")
    assert rows(folder, "SELECT count(*) FROM lineage") == [(1,)]


def test_damage_after_connecting_is_named_too(folder):
    ref = publish(folder)
    catalog = Catalog(folder)
    Path(folder.paths(folder.commit_of(ref))[0]).write_bytes(b"not parquet at all")
    with pytest.raises(DamagedError, match="table measurements"):
        catalog.query("SELECT * FROM measurements")


def test_any_duckdb_client_can_open_the_views(folder):
    publish(folder)
    refresh(folder)
    with duckdb.connect(f"{folder.url}/headwater.duckdb", read_only=True) as client:
        assert client.sql("SELECT count(*) FROM measurements").fetchall() == [(3,)]
        assert client.sql("SELECT count(*) FROM runs").fetchall() == [(0,)]


def test_sql_steps_see_the_snapshots_they_are_given(lake):
    old, new = publish(lake, measurements(2), recipe="b" * 64), publish(lake, measurements(3))
    counted = run_sql("SELECT count(*) AS n FROM a JOIN b USING (day)", {"a": old, "b": new})
    assert counted.to_pydict() == {"n": [2]}


def test_a_lakes_name_may_hold_spaces_and_quotes(tmp_path):
    lake = Lake(str(tmp_path / 'it\'s my lake, "really"'))
    publish(lake)
    refresh(lake)
    assert Catalog(lake).rows("SELECT count(*) AS n FROM measurements") == [{"n": 3}]
    with duckdb.connect(f"{lake.url}/headwater.duckdb", read_only=True) as client:
        assert client.sql("SELECT count(*) FROM measurements").fetchall() == [(3,)]


def test_damage_is_told_even_where_a_filter_would_hide_it(folder):
    """DuckDB may leave out the reading of a view whose filter it can decide without."""
    part = Path(folder.paths(folder.commit_of(publish(folder)))[0])
    part.write_bytes(b"not parquet")
    with pytest.raises(DamagedError, match="table measurements"):
        Catalog(folder).rows("SELECT * FROM measurements WHERE station = 'nowhere'")
    with pytest.raises(DamagedError, match="table measurements"):
        Catalog(folder).rows("SELECT * FROM measurements_all WHERE false")


def test_damage_behind_an_intact_footer_is_told(folder):
    part = Path(folder.paths(folder.commit_of(publish(folder, measurements(300))))[0])
    content = bytearray(part.read_bytes())
    content[4:40] = bytes(36)
    part.write_bytes(content)
    with pytest.raises(DamagedError, match="table measurements"):
        Catalog(folder).rows("SELECT sum(celsius), max(station) FROM measurements")


def test_other_clients_keep_the_views_of_undamaged_tables(folder):
    part = Path(folder.paths(folder.commit_of(publish(folder)))[0])
    lineage(folder, "1", "t")
    part.unlink()
    refresh(folder)
    with duckdb.connect(f"{folder.url}/headwater.duckdb", read_only=True) as client:
        assert client.sql("SELECT count(*) FROM lineage").fetchall() == [(1,)]
        names = {name for (name,) in client.sql("SHOW TABLES").fetchall()}
    assert "lineage" in names
    assert "measurements" not in names


def test_queries_draw_nothing_on_standard_output():
    """DuckDB's progress bar would stand amid the JSON of a command whose query takes seconds."""
    shown = run_sql("SELECT current_setting('enable_progress_bar') AS bar", {})
    assert shown["bar"].to_pylist() == [False]
