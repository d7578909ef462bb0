"""The choice of examples: balanced, nested, drawn by its seed, and what it refuses."""

import numpy as np
import pytest

from models.tart.shots import choose_shots

LABELS = ["ham"] * 60 + ["spam"] * 20 + ["other"] * 7


def test_every_prefix_is_balanced_and_part_of_the_larger_choice():
    chosen = choose_shots(LABELS, 21, seed=3)
    assert len(set(chosen)) == 21
    for k in range(3, 22):
        counts = np.unique([LABELS[i] for i in chosen[:k]], return_counts=True)[1]
        assert len(counts) == 3
        assert counts.max() - counts.min() <= 1
        assert choose_shots(LABELS, k, seed=3) == chosen[:k]


def test_a_class_that_runs_out_is_passed_over():
    chosen = [LABELS[i] for i in choose_shots(LABELS, 80, seed=0)]
    assert chosen.count("other") == 7
    assert sorted(choose_shots(LABELS, len(LABELS), seed=0)) == list(range(len(LABELS)))


def test_the_seed_draws_the_choice_and_its_order():
    one, other = choose_shots(LABELS, 12, seed=0), choose_shots(LABELS, 12, seed=1)
    assert one == choose_shots(LABELS, 12, seed=0)
    assert set(one) != set(other)
    firsts = {LABELS[choose_shots(LABELS, 3, seed=seed)[0]] for seed in range(20)}
    assert firsts == {"ham", "spam", "other"}


@pytest.mark.parametrize(
    ("labels", "k", "says"),
    [
        (["ham"] * 9, 4, "at least 2 classes, got only 'ham'"),
        ([], 4, "got none"),
        (LABELS, 2, "2 shots cannot show 3 classes"),
        (LABELS, 100, "100 shots are asked for, 87 labelled"),
    ],
    ids=["one class", "nothing", "too few shots", "too many"],
)
def test_impossible_choices_are_refused(labels, k, says):
    with pytest.raises(ValueError, match=says):
        choose_shots(labels, k, seed=0)
