"""The law in words: right words, right labels, right prompts."""

import numpy as np
import pytest

from data.synthetic.worded import ABSENT, WORDS, draw_worded, in_words, prompt


def draw(problems=200, points=20, dimension=5, alpha=1.0):
    return draw_worded(
        np.random.default_rng(0),
        problems=problems,
        points=points,
        dimension=dimension,
        alpha=alpha,
    )


def test_words_tell_the_signs_of_their_coordinates():
    assert in_words(np.array([1.0, -1.0, 1.0])) == f"{WORDS[0]} {ABSENT} {WORDS[2]}"
    drawn = draw(problems=3)
    for x, words in zip(drawn.x, drawn.words, strict=True):
        for point, text in zip(x, words, strict=True):
            assert [word != ABSENT for word in text.split()] == (point > 0).tolist()


def test_labels_follow_the_law():
    drawn = draw(problems=5000)
    bins = np.digitize(drawn.p_true, np.linspace(0, 1, 6))
    for b in np.unique(bins):
        expected = drawn.p_true[bins == b].mean()
        assert drawn.y[bins == b].mean() == pytest.approx(expected, abs=0.02)


def test_a_prompt_ends_where_the_last_label_is_asked_for():
    words = ["sports null", "null love"]
    assert prompt(words, np.array([1, 0])) == "sports null : positive , null love : negative"
    assert prompt(words, np.array([1])) == "sports null : positive , null love :"
    with pytest.raises(ValueError, match="2 points need as many labels or one fewer, got 0"):
        prompt(words, np.array([], int))


def test_words_are_different_and_enough():
    assert len(set(WORDS)) == len(WORDS)
    with pytest.raises(ValueError, match=r"1\.\.30 coordinates, got 31"):
        draw(dimension=31)
