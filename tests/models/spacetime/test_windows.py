import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spacetime.config import SplitConfig
from models.spacetime.windows import SPLITS, History, split_of_rows

RNG = np.random.default_rng(0)
HOURS = np.datetime64("2010-01-01T00", "h") + np.arange(100)


def history(values: np.ndarray, train_end: int = 70, validation_end: int = 80) -> History:
    channels = tuple(f"c{i}" for i in range(values.shape[1]))
    return History(HOURS[: len(values)], channels, values, train_end, validation_end)


@pytest.fixture
def walk() -> History:
    return history(RNG.standard_normal((100, 2)).cumsum(axis=0))


@pytest.mark.parametrize(
    ("split", "count"), [("train", 70 - 12 - 5 + 1), ("validation", 6), ("test", 16)]
)
def test_window_counts(walk: History, split: str, count: int) -> None:
    lags, horizons = walk.windows(split, lag=12, horizon=5)
    assert lags.shape == (count, 12, 2)
    assert horizons.shape == (count, 5, 2)


def test_windows_of_the_hourly_benchmark_at_lag_336() -> None:
    """12 + 4 + 4 months of ETTh1: 2,785 test windows at horizon 96, 2,161 at 720."""
    values = RNG.standard_normal((14_400, 1))
    hours = np.datetime64("2016-07-01T00", "h") + np.arange(14_400)
    series = History(hours, ("OT",), values, 8_640, 11_520)
    for horizon, count in ((96, 2_785), (720, 2_161)):
        assert len(series.windows("test", 336, horizon)[0]) == count


def test_windows_hold_consecutive_rows_of_their_split(walk: History) -> None:
    rows = walk.scaler().standardise(walk.values)
    lags, horizons = walk.windows("test", lag=12, horizon=5)
    np.testing.assert_array_equal(lags[0], rows[68:80])
    np.testing.assert_array_equal(horizons[0], rows[80:85])
    np.testing.assert_array_equal(horizons[-1], rows[-5:])
    validation = walk.windows("validation", lag=12, horizon=5)[1]
    np.testing.assert_array_equal(validation[0], rows[70:75])
    np.testing.assert_array_equal(validation[-1], rows[75:80])


def test_scaler_knows_the_train_rows_only(walk: History) -> None:
    scaler = walk.scaler()
    np.testing.assert_allclose(scaler.mean, walk.values[:70].mean(axis=0))
    np.testing.assert_allclose(scaler.std, walk.values[:70].std(axis=0, ddof=0))
    np.testing.assert_allclose(scaler.restore(scaler.standardise(walk.values)), walk.values)
    later = walk.values.copy()
    later[70:] = 1e6
    np.testing.assert_array_equal(history(later).scaler().std, scaler.std)


@given(rows=st.integers(10, 20_000), train=st.floats(0.4, 0.8), test=st.floats(0.11, 0.19))
def test_splits_follow_time_and_cover_every_row(rows: int, train: float, test: float) -> None:
    labels = split_of_rows(rows, SplitConfig(train=train, test=test))
    assert len(labels) == rows
    assert [SPLITS.index(label) for label in labels] == sorted(map(SPLITS.index, labels))
    assert labels.count("train") == int(rows * train)
    assert labels.count("test") == int(rows * test)


def test_a_year_of_hours_is_split_70_10_20() -> None:
    labels = split_of_rows(8_760, SplitConfig())
    assert [labels.count(name) for name in SPLITS] == [6_132, 876, 1_752]


def test_long_rows_in_any_order_give_the_same_history() -> None:
    time = np.tile(HOURS, 2)
    channel = np.repeat(np.array(["b", "a"], dtype=object), 100)
    value = np.arange(200.0)
    split = np.tile(np.array(split_of_rows(100, SplitConfig()), dtype=object), 2)
    shuffled = RNG.permutation(200)
    built = History.from_rows(time[shuffled], channel[shuffled], value[shuffled], split[shuffled])
    assert built.channels == ("a", "b")
    assert (built.train_end, built.validation_end) == (70, 80)
    np.testing.assert_array_equal(built.values, np.stack((value[100:], value[:100]), axis=1))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"value": (3, np.nan)}, "no finite value at 2010-01-01T03", id="nan"),
        pytest.param({"time": (99, np.datetime64("2011-01-01T00"))}, "gaps", id="gap"),
        pytest.param({"split": (0, "test")}, "splits must follow time", id="split-order"),
    ],
)
def test_bad_rows_are_refused(change: dict[str, tuple[int, object]], complaint: str) -> None:
    columns = {
        "time": HOURS.copy(),
        "channel": np.full(100, "a", dtype=object),
        "value": np.arange(100.0),
        "split": np.array(split_of_rows(100, SplitConfig()), dtype=object),
    }
    for name, (row, value) in change.items():
        columns[name][row] = value
    with pytest.raises(ValueError, match=complaint):
        History.from_rows(**columns)


def test_a_missing_channel_value_is_refused() -> None:
    split = np.array(split_of_rows(100, SplitConfig()), dtype=object)
    with pytest.raises(ValueError, match="no finite value"):
        History.from_rows(
            np.append(HOURS, HOURS[:1]),
            np.array(["a"] * 100 + ["b"], dtype=object),
            np.zeros(101),
            np.append(split, "train"),
        )


def test_constant_channel_is_named() -> None:
    values = RNG.standard_normal((100, 2))
    values[:70, 1] = 5.0
    with pytest.raises(ValueError, match="channel c1 is constant"):
        history(values).windows("test", 12, 5)


@pytest.mark.parametrize(("split", "lag", "horizon"), [("train", 60, 20), ("validation", 5, 11)])
def test_too_short_a_split_says_how_many_rows_it_has(
    walk: History, split: str, lag: int, horizon: int
) -> None:
    with pytest.raises(ValueError, match=f"{split} split: .* rows are too few"):
        walk.windows(split, lag, horizon)


def test_a_series_that_cannot_be_split_in_three() -> None:
    with pytest.raises(ValueError, match="3 rows is too short"):
        split_of_rows(3, SplitConfig())
