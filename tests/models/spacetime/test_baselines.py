import numpy as np
import pytest
from sklearn.linear_model import Ridge as PeerRidge

from models.spacetime.baselines import fit_ridge, lag_mean, last_value, seasonal_naive

RNG = np.random.default_rng(1)
LAGS = np.arange(2 * 6 * 2, dtype=float).reshape(2, 6, 2)


def test_naive_rules_repeat_what_they_say() -> None:
    np.testing.assert_array_equal(last_value(LAGS, 3), np.stack([LAGS[:, -1]] * 3, axis=1))
    np.testing.assert_array_equal(lag_mean(LAGS, 2), np.stack([LAGS.mean(axis=1)] * 2, axis=1))
    seasonal = seasonal_naive(LAGS, horizon=5, season=2)
    np.testing.assert_array_equal(seasonal, LAGS[:, [4, 5, 4, 5, 4]])


def test_seasonal_naive_is_exact_on_a_periodic_series() -> None:
    wave = np.sin(2 * np.pi * np.arange(40) / 8)[None, :, None]
    np.testing.assert_allclose(seasonal_naive(wave[:, :20], 20, 8), wave[:, 20:], atol=1e-12)


def test_seasonal_naive_needs_a_whole_season() -> None:
    with pytest.raises(ValueError, match="lag 6 is shorter than the season of 7"):
        seasonal_naive(LAGS, 3, 7)


@pytest.mark.parametrize("channels", [1, 3])
def test_ridge_equals_its_peer(channels: int) -> None:
    lags = RNG.standard_normal((80, 10, channels)).cumsum(axis=1)
    horizons = lags[:, -4:] + RNG.standard_normal((80, 4, channels))
    ridge = fit_ridge((lags, horizons), (lags, horizons), penalties=(0.5,))
    last = lags[:, -1:]
    x = np.moveaxis(lags - last, 1, 2).reshape(-1, 10)
    y = np.moveaxis(horizons - last, 1, 2).reshape(-1, 4)
    peer = PeerRidge(alpha=0.5).fit(x, y)
    np.testing.assert_allclose(ridge.weights, peer.coef_.T, atol=1e-8)
    np.testing.assert_allclose(ridge.intercept, peer.intercept_, atol=1e-8)
    expected = np.moveaxis(peer.predict(x).reshape(80, channels, 4), 1, 2) + last
    np.testing.assert_allclose(ridge.predict(lags), expected, atol=1e-8)


def test_ridge_takes_the_penalty_that_validates_best() -> None:
    lags = RNG.standard_normal((30, 20, 1))
    horizons = lags[:, -1:] + 0.01 * RNG.standard_normal((30, 2, 1))
    fresh = RNG.standard_normal((200, 20, 1))
    validation = fresh, np.repeat(fresh[:, -1:], 2, axis=1)
    penalties = (1e-3, 1.0, 1e4)
    chosen = fit_ridge((lags, horizons), validation, penalties)
    errors = [
        np.square(
            fit_ridge((lags, horizons), validation, (p,)).predict(fresh) - validation[1]
        ).mean()
        for p in penalties
    ]
    assert chosen.penalty == penalties[int(np.argmin(errors))] == 1e4


def test_ridge_refuses_a_penalty_of_zero() -> None:
    with pytest.raises(ValueError, match="above 0, got 0"):
        fit_ridge((LAGS, LAGS), (LAGS, LAGS), (1.0, 0.0))
