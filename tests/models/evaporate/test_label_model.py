"""One-coin EM: planted accuracies, posteriors as the equation reads, invariances, odd inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.label_model import (
    ABSTAIN,
    Votes,
    ballot,
    fit_one_coin,
    one_coin_reference,
    posterior_of,
)

CLASSES = 5


def planted(
    n: int, accuracy: np.ndarray, seed: int, silent: float = 0.15, classes: int = CLASSES
) -> tuple[Votes, np.ndarray]:
    """Votes (n, m) of independent functions of known accuracy, and the truth (n,)."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, n)
    shape = (n, len(accuracy))
    wrong = (truth[:, None] + generator.integers(1, classes, shape)) % classes
    votes = np.where(generator.random(shape) < accuracy, truth[:, None], wrong)
    votes[generator.random(shape) < silent] = ABSTAIN
    return votes, truth


def majority(votes: Votes) -> np.ndarray:
    return np.array([(votes == label).sum(axis=1) for label in range(CLASSES)]).argmax(axis=0)


def test_planted_accuracies_are_found_within_three_standard_errors() -> None:
    accuracy = np.linspace(0.4, 0.9, 10)
    votes, truth = planted(2_000, accuracy, seed=0)
    fitted = fit_one_coin(votes, CLASSES)
    cast = (votes != ABSTAIN).sum(axis=0)
    error = np.sqrt(accuracy * (1 - accuracy) / cast)
    assert (np.abs(fitted.accuracy - accuracy) < 3 * error).all()
    assert (fitted.posterior.argmax(axis=1) == truth).mean() > 0.95


def test_posteriors_are_calibrated_on_planted_votes() -> None:
    votes, truth = planted(4_000, np.linspace(0.3, 0.7, 6), seed=1)
    posterior = fit_one_coin(votes, CLASSES).posterior
    sure, right = posterior.max(axis=1), posterior.argmax(axis=1) == truth
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) for b in set(bins)]
    sizes = [(bins == b).mean() for b in set(bins)]
    assert np.dot(gaps, sizes) < 0.05


def test_better_than_the_majority_on_the_mean_of_twenty_draws() -> None:
    gains = []
    for seed in range(20):
        accuracy = np.random.default_rng(100 + seed).uniform(0.4, 0.9, 10)
        votes, truth = planted(200, accuracy, seed)
        ours = (fit_one_coin(votes, CLASSES).posterior.argmax(axis=1) == truth).mean()
        gains.append(ours - (majority(votes) == truth).mean())
    assert np.mean(gains) > 0.003


def test_agrees_with_crowd_kit() -> None:
    """The same votes through another implementation of the model, 20 draws."""
    crowdkit = pytest.importorskip("crowdkit.aggregation")
    pandas = pytest.importorskip("pandas")
    gaps = []
    for seed in range(20):
        accuracy = np.random.default_rng(100 + seed).uniform(0.4, 0.9, 10)
        votes, truth = planted(200, accuracy, seed)
        rows = [(i, j, v) for (i, j), v in np.ndenumerate(votes) if v != ABSTAIN]
        frame = pandas.DataFrame(rows, columns=["task", "worker", "label"])
        theirs = crowdkit.OneCoinDawidSkene(n_iter=100).fit_predict(frame)
        ours = fit_one_coin(votes, CLASSES).posterior.argmax(axis=1)
        right = (theirs.to_numpy() == truth[theirs.index.to_numpy()]).mean()
        gaps.append((ours == truth).mean() - right)
    assert abs(np.mean(gaps)) <= 0.005


@given(
    st.lists(st.integers(-1, CLASSES - 1), min_size=1, max_size=8),
    st.data(),
)
def test_posterior_is_what_the_equation_says(row: list[int], data: st.DataObject) -> None:
    rates = data.draw(st.lists(st.floats(0.05, 0.95), min_size=len(row), max_size=len(row)))
    one_hot = np.array(row)[None, :, None] == np.arange(CLASSES)
    fast = posterior_of(one_hot, np.array(rates), np.ones(len(row)))[0]
    assert fast == pytest.approx(one_coin_reference(row, rates, CLASSES))


def test_names_of_classes_do_not_matter_document_by_document() -> None:
    votes, _ = planted(300, np.array([0.9, 0.7, 0.5, 0.6]), seed=2)
    generator = np.random.default_rng(3)
    renamed = votes.copy()
    for row in renamed:
        names = generator.permutation(CLASSES)
        cast = row != ABSTAIN
        row[cast] = names[row[cast]]
    assert fit_one_coin(renamed, CLASSES).accuracy == pytest.approx(
        fit_one_coin(votes, CLASSES).accuracy
    )


def test_copies_of_one_bad_function_win_unless_they_count_as_one() -> None:
    """What the model cannot know: eight copies look like eight witnesses."""
    good, truth = planted(500, np.array([0.9, 0.9, 0.9]), seed=4, silent=0.0)
    bad, _ = planted(500, np.array([0.3]), seed=5, silent=0.0)
    votes = np.hstack([good, np.repeat(bad, 8, axis=1)])
    assert (fit_one_coin(votes, CLASSES).posterior.argmax(axis=1) == truth).mean() < 0.6
    once = np.hstack([good, bad])
    assert (fit_one_coin(once, CLASSES).posterior.argmax(axis=1) == truth).mean() > 0.95


def test_weights_stand_for_equal_voters() -> None:
    votes, _ = planted(100, np.array([0.8, 0.6]), seed=6, silent=0.0)
    doubled = np.hstack([votes, votes[:, :1]])
    weighted = fit_one_coin(votes, CLASSES, weights=np.array([2.0, 1.0]))
    assert weighted.posterior == pytest.approx(fit_one_coin(doubled, CLASSES).posterior, abs=1e-4)


def test_nothing_cast_leaves_the_prior() -> None:
    silence = np.full((4, 2), ABSTAIN)
    fitted = fit_one_coin(silence, CLASSES, prior=np.array([[9.0, 1.0], [1.0, 1.0]]))
    assert fitted.accuracy == pytest.approx([0.9, 0.5])
    assert fitted.posterior == pytest.approx(np.full((4, CLASSES), 1 / CLASSES))
    assert fit_one_coin(np.zeros((0, 3), dtype=np.int64), CLASSES).posterior.shape == (0, CLASSES)


@pytest.mark.parametrize(
    ("votes", "classes"), [([[5]], 5), ([[-2]], 5), ([[0]], 1)], ids=["high", "low", "one-class"]
)
def test_votes_out_of_range_are_refused(votes: list[list[int]], classes: int) -> None:
    with pytest.raises(ValueError, match="votes must be -1"):
        fit_one_coin(np.array(votes), classes)


def test_ballots_keep_the_commonest_values() -> None:
    assert ballot(["b", "a", "a", None, "c"], 2) == ([1, 0, 0, ABSTAIN, ABSTAIN], ["a", "b"])
    assert ballot([None], 5) == ([ABSTAIN], [])
