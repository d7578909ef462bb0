import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from data.datasets.hourly import (
    DATASETS,
    hourly_temperatures,
    hourly_temperatures_digest,
    parse_hourly,
)


@pytest.mark.parametrize("dataset", DATASETS)
def test_covers_every_hour_of_the_year_once(dataset: str) -> None:
    series = hourly_temperatures(dataset)
    assert len(series.times) == 365 * 24
    assert series.times[0] == datetime(2010, 1, 1, 8, tzinfo=UTC)
    assert {b - a for a, b in pairwise(series.times)} == {timedelta(hours=1)}
    assert set(series.channels) == set(DATASETS[dataset])
    assert all(len(values) == len(series.times) for values in series.channels.values())


def test_values_are_those_of_the_file_and_the_missing_hour_is_between_its_neighbours() -> None:
    series = hourly_temperatures("seattle_temps")
    values = dict(zip(series.times, series.channels["temperature"], strict=True))
    assert values[datetime(2010, 1, 1, 8, tzinfo=UTC)] == 39.4
    missing = datetime(2010, 3, 14, 11, tzinfo=UTC)  # 03:00 Pacific standard time
    hour = timedelta(hours=1)
    assert values[missing] == (values[missing - hour] + values[missing + hour]) / 2


def test_digest_is_stable_and_differs_between_data_sets() -> None:
    digests = {name: hourly_temperatures_digest(name) for name in DATASETS}
    assert len(set(digests.values())) == len(DATASETS)
    assert all(len(digest) == hashlib.sha256().digest_size * 2 for digest in digests.values())
    assert hourly_temperatures_digest("sf_temps") == digests["sf_temps"]


def test_reads_the_files_without_importing_pandas_or_the_package() -> None:
    code = (
        "import sys; from data.datasets.hourly import hourly_temperatures as h; "
        "h('sf_temps'); sys.exit(bool({'pandas', 'vega_datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_data_set_names_the_choices() -> None:
    with pytest.raises(ValueError, match="seattle_temps, sf_temps"):
        hourly_temperatures("london")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("day,temp\n", "needs the columns date and temp", id="missing-column"),
        pytest.param("date,temp\n", "no rows", id="empty"),
        pytest.param("date,temp\n2010/01/01 00:00,warm\n", "line 2: temp 'warm'", id="text"),
        pytest.param("date,temp\n2010/01/01 00:00,nan\n", "not a finite number", id="nan"),
        pytest.param("date,temp\n01.01.2010,3\n", "date '01.01.2010'", id="date-format"),
        pytest.param(
            "date,temp\n2010/01/01 00:00,1\n2010/01/01 03:00,2\n", "3:00:00 between", id="gap"
        ),
        pytest.param(
            "date,temp\n2010/01/01 01:00,1\n2010/01/01 00:00,2\n", "hourly rows", id="order"
        ),
    ],
)
def test_bad_text_is_refused_with_the_place(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_hourly(text, "some.csv")
