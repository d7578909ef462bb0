"""A lake in an S3 bucket, served on loopback by moto."""

import os
import tempfile
import uuid

import pytest

from data.lake import DamagedError, Lake
from data.lake.catalog import Catalog
from tests.support import measurements, publish


@pytest.fixture
def bucket(monkeypatch):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for variable, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(variable, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(name := f"bucket-{uuid.uuid4().hex}")
    yield f"s3://{name}/lake"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_bucket_is_a_lake(bucket):
    lake = Lake(bucket)
    lake.check_writable()
    first, second = publish(lake, measurements(2)), publish(lake, measurements(3), recipe="b" * 64)
    assert (first.read().num_rows, second.read().num_rows) == (2, 3)
    assert [damage for _, damage in lake.verify()] == [None, None]
    catalog = Catalog(Lake(bucket))
    assert catalog.rows("SELECT count(*) AS n FROM measurements") == [{"n": 3}]
    assert catalog.rows("SELECT count(*) AS n FROM measurements_all") == [{"n": 5}]
    [record, _] = lake.storage.names("measurements/_commits")
    with pytest.raises(FileExistsError):
        lake.storage.create(f"measurements/_commits/{record}", b"{}")


def test_a_lost_object_is_told(bucket):
    lake = Lake(bucket)
    ref = publish(lake)
    lake.storage.remove(f"measurements/snapshot={ref.snapshot}/part-00000.parquet")
    [(_, damage)] = lake.verify()
    assert "is gone" in damage
    with pytest.raises(DamagedError, match="table measurements"):
        Catalog(lake).rows("SELECT * FROM measurements")


@pytest.mark.flow
def test_a_flow_runs_on_a_bucket(bucket, prefect_server):
    from tests.tasks.toy import ToyConfig, toy

    os.environ["HEADWATER_LAKE"] = bucket  # put back by the fixture that every test has
    with tempfile.NamedTemporaryFile() as log:
        first, second = (toy(ToyConfig(log=log.name)) for _ in range(2))
    assert (first, second.hit) == (second, True)
    [run, _] = Catalog(Lake(bucket)).rows("SELECT state, misses FROM runs ORDER BY started_at")
    assert run == {"state": "Completed", "misses": 2}
