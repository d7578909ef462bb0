"""Features: white on the examples, fitted on them alone, safe with few of them."""

import numpy as np
import pytest

from models.tart.features import fit_features


def representations(k=40, width=50, seed=0):
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-2, 2, width)
    return rng.standard_normal((k, width)) @ (scales[:, None] * rng.standard_normal((width, width)))


@pytest.mark.parametrize("k", [17, 18, 40, 200], ids="k{}".format)
def test_examples_have_mean_0_and_covariance_1(k):
    examples = representations(k)
    points = fit_features(examples, 16, 16)(examples)
    assert points.mean(axis=0) == pytest.approx(np.zeros(16), abs=1e-8)
    assert np.cov(points.T) == pytest.approx(np.eye(16), abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 8, 16], ids="k{}".format)
@pytest.mark.parametrize("components", [None, 16], ids=["default", "all"])
def test_few_examples_give_fewer_coordinates_and_no_explosion(k, components):
    examples, queries = representations(k), representations(100, seed=1)
    features = fit_features(examples, 16, components)
    points = features(examples)
    d = k // 2 if components is None else k - 1
    assert np.cov(points[:, :d].T).reshape(d, -1) == pytest.approx(np.eye(d), abs=1e-6)
    assert not features(queries)[:, d:].any()
    assert features.condition < 1e6


def test_directions_without_variation_are_left_out():
    examples = np.zeros((30, 5))
    examples[:, :2] = representations(30, 2)
    examples[:, 2] = examples[:, 0] + examples[:, 1]
    points = fit_features(examples, 4)(examples)
    assert np.cov(points[:, :2].T) == pytest.approx(np.eye(2), abs=1e-6)
    assert not points[:, 2:].any()


def test_fewer_components_are_the_widest_directions():
    examples = representations()
    all_of_them, some = (fit_features(examples, 16, n)(examples) for n in (None, 5))
    np.testing.assert_array_equal(some[:, :5], all_of_them[:, :5])
    assert not some[:, 5:].any()


def test_the_map_is_turned_by_no_rotation_of_the_representations():
    examples, queries = representations(), representations(9, seed=1)
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((50, 50)))[0]
    one = fit_features(examples, 16)(queries)
    other = fit_features(examples @ turn, 16)(queries @ turn)
    np.testing.assert_allclose(np.abs(one), np.abs(other), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        (np.ones((4, 3)), "same representation"),
        (np.ones((1, 3)), "at least 2 examples"),
        (np.ones(4), "a row each"),
        (np.array([[0.0, 1], [np.nan, 1], [1, 1]]), "1 of 3 representations hold NaN .* row 1"),
    ],
    ids=["alike", "one", "vector", "nan"],
)
def test_unusable_examples_are_refused(examples, says):
    with pytest.raises(ValueError, match=says):
        fit_features(examples, 16)


def test_queries_of_another_width_or_with_infinity_are_refused():
    features = fit_features(representations(), 16)
    with pytest.raises(ValueError, match="have 3 numbers, the examples 50"):
        features(np.ones((2, 3)))
    with pytest.raises(ValueError, match="hold NaN or infinity"):
        features(np.full((2, 50), np.inf))
