"""The classifier's head: what padding may not change, what it learns, what it is measured by."""

import numpy as np
import pytest
import torch

from models.spacetime.classifier import SeriesClassifier, fit_classifier
from models.spacetime.classifier_baselines import (
    logistic_regression,
    majority,
    nearest_neighbour,
    stretched,
)
from models.spacetime.classifier_config import ClassifierConfig
from models.spacetime.config import ModelConfig

SMALL = ModelConfig(kernels=1, heads=8, state=6, blocks=2, max_average=5)
QUICK = ClassifierConfig(network=SMALL, epochs=20, batch=16)


def waves(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Two channels, 9 to 24 steps: the second follows the first one step behind, or two."""
    rng = np.random.default_rng(seed)
    series, labels = [], []
    for i in range(count):
        noise = rng.standard_normal(int(rng.integers(9, 25)) + 2)
        behind = 1 + i % 2
        follower = np.roll(noise, behind) + 0.1 * rng.standard_normal(len(noise))
        series.append(np.stack((noise, follower))[:, 2:])
        labels.append("one" if behind == 1 else "two")
    return series, labels


def test_padding_changes_no_logit() -> None:
    torch.manual_seed(0)
    network = SeriesClassifier(SMALL, channels=2, classes=3).eval()
    series, lengths = torch.randn(4, 2, 15), torch.tensor([15, 9, 4, 1])
    whole = network(series, lengths)
    noisy = series.clone()
    for row, length in zip(noisy, lengths.tolist(), strict=True):
        row[:, length:] = 7.0
    torch.testing.assert_close(network(noisy, lengths), whole, atol=1e-5, rtol=1e-5)
    for i, length in enumerate(lengths.tolist()):
        alone = network(series[i : i + 1, :, :length], lengths[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], atol=1e-5, rtol=1e-5)


def test_it_learns_an_order_in_time_that_a_linear_map_does_not() -> None:
    train, labels = waves(160, seed=0)
    test, truth = waves(200, seed=1)
    done: list[tuple[int, int]] = []
    fitted = fit_classifier(train, labels, QUICK, 0, lambda i, n: done.append((i, n)))
    assert done == [(i, 20) for i in range(1, fitted.epochs + 1)]

    def accuracy(found: list[str]) -> float:
        return float(np.mean(np.array(found) == np.array(truth)))

    assert accuracy(fitted.predict(test)) > 0.9
    assert accuracy(logistic_regression(train, labels, test)) < 0.7
    again = fit_classifier(train, labels, QUICK, 0)
    assert again.validation_loss == fitted.validation_loss
    with pytest.raises(ValueError, match="must have 2 channels"):
        fitted.predict([np.zeros((3, 5))])


@pytest.mark.parametrize("labels", [["a"] * 4, ["a", "a", "a", "b"]], ids=["one-class", "a-single"])
def test_too_few_classes_or_series_are_refused(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="two classes, and two series of each"):
        fit_classifier([np.zeros((1, 5))] * 4, labels, QUICK, 0)


def test_baselines_on_separated_series() -> None:
    train = [np.full((1, n), level) for n in (4, 6) for level in (0.0, 5.0)]
    labels = ["low", "high"] * 2
    test = [np.full((1, 9), 4.6), np.full((1, 3), 0.3)]
    assert nearest_neighbour(train, labels, test) == ["high", "low"]
    assert logistic_regression(train, labels, test) == ["high", "low"]
    assert majority(["b", "a", "b", "a"], 2) == ["a", "a"]


def test_series_are_stretched_linearly() -> None:
    found = stretched([np.array([[0.0, 1.0], [4.0, 2.0]])], 5)
    np.testing.assert_allclose(found, [[0, 0.25, 0.5, 0.75, 1, 4, 3.5, 3, 2.5, 2]])
