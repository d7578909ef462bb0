"""Every sequence task asks what it says it asks, and draws the same examples again."""

import numpy as np
import pytest

from data.synthetic.sequences.examples import IGNORED, distinct, next_tokens
from data.synthetic.sequences.listops import evaluate, listops
from data.synthetic.sequences.mqar import mqar
from data.synthetic.sequences.problems import TaskConfig, draw, form

CONFIGS = {
    "induction": TaskConfig(name="induction", length=12, vocabulary=9, train=40, test=30),
    "recall": TaskConfig(name="recall", length=12, train=40, test=30),
    "majority": TaskConfig(name="majority", length=9, train=40, test=30),
    "counting": TaskConfig(name="counting", length=9, train=40, test=30),
    "linear_functions": TaskConfig(name="linear_functions", length=4, vocabulary=3, train=40),
    "addition": TaskConfig(name="addition", length=3, train=40, test=30),
    "mqar": TaskConfig(name="mqar", length=32, vocabulary=64, train=40, test=30),
    "listops": TaskConfig(name="listops", length=64, train=20, test=20),
    "pathfinder": TaskConfig(name="pathfinder", length=32, train=4, test=4),
    "digits": TaskConfig(name="digits"),
} | {
    f"mad_{name}": TaskConfig(name=f"mad_{name}", length=32, vocabulary=16, train=40, test=30)
    for name in ("recall", "noisy_recall", "fuzzy_recall", "copying", "memorisation", "compression")
}
ALL = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@ALL
def test_splits_are_drawn_alike_again_and_fit_their_form(config):
    shape = form(config)
    for split in ("train", "validation", "test"):
        one, again = draw(config, split), draw(config, split)
        np.testing.assert_array_equal(one.inputs, again.inputs)
        np.testing.assert_array_equal(one.targets, again.targets)
        if shape.vocabulary:
            assert one.inputs.dtype == np.int64
            assert 0 <= one.inputs.min() <= one.inputs.max() < shape.vocabulary
        else:
            assert one.inputs.shape[2] == shape.channels
        if one.targets.dtype == np.int64:
            asked = one.targets[one.targets != IGNORED]
            assert len(asked) >= len(one)
            assert 0 <= asked.min() <= asked.max() < shape.outputs
        assert one.targets.ndim == (1 if shape.pool else 2)
    train, test = draw(config, "train"), draw(config, "test")
    assert train.inputs.shape != test.inputs.shape or not np.array_equal(train.inputs, test.inputs)


def asked(config, split="test"):
    """(inputs, position, answer) of everything asked."""
    examples = draw(config, split)
    for row, targets in zip(examples.inputs, examples.targets, strict=True):
        for place in np.flatnonzero(targets != IGNORED):
            yield row.tolist(), int(place), int(targets[place])


def test_induction_asks_for_what_followed_the_copy_token():
    for row, place, answer in asked(CONFIGS["induction"]):
        first = row.index(7)
        assert row[place] == 7
        assert place > first
        assert answer == row[first + 1] or first + 1 == place


def test_recall_asks_for_the_value_of_a_key_that_occurred():
    for row, place, answer in asked(CONFIGS["recall"]):
        pairs = dict(zip(row[0:12:2], row[1:12:2], strict=True))
        assert row[place - 1] == 8
        assert pairs[row[place]] == answer
        assert all(pairs[k] == v for k, v in zip(row[0:12:2], row[1:12:2], strict=True))


def test_majority_and_counting_by_hand():
    for row, _, answer in asked(CONFIGS["majority"]):
        assert row[-1] == 9
        assert row[:-1].count(answer) == max(row[:-1].count(token) for token in range(9))
    for row, _, answer in asked(CONFIGS["counting"]):
        assert row[:-1].count(row[-1]) == answer


def test_sums_are_sums():
    examples = draw(CONFIGS["addition"], "test")
    for row, targets in zip(examples.inputs, examples.targets, strict=True):
        a, b = (int("".join(map(str, part))) for part in (row[:3], row[3:6]))
        assert int("".join(map(str, targets[5:]))) == a + b
        assert (targets[:5] == IGNORED).all()


def test_linear_functions_are_linear():
    examples = draw(CONFIGS["linear_functions"], "test")
    x, y = examples.inputs[:, ::2, :3], examples.inputs[:, 1::2, 3]
    np.testing.assert_allclose(examples.targets[:, ::2], y)
    w = np.stack([np.linalg.lstsq(x[i, :3], y[i, :3], rcond=None)[0] for i in range(len(x))])
    np.testing.assert_allclose(np.einsum("nd,nd->n", x[:, 3], w), y[:, 3], rtol=1e-2, atol=1e-3)


def test_mqar_is_the_published_draw():
    """Golden rows: numpy's legacy generator, keys, values and gaps in this order."""
    examples = mqar(0, 2, 16, 3, 20)
    assert examples.inputs.tolist() == [
        [8, 15, 3, 12, 2, 13, 2, 0, 8, 0, 3, 0, 0, 0, 0, 0],
        [4, 15, 2, 11, 8, 19, 2, 0, 4, 0, 0, 0, 0, 0, 8, 0],
    ]
    places = [np.flatnonzero(row != IGNORED).tolist() for row in examples.targets]
    assert places == [[6, 8, 10], [6, 8, 14]]
    assert [row[row != IGNORED].tolist() for row in examples.targets] == [
        [13, 15, 12],
        [11, 15, 19],
    ]


@pytest.mark.parametrize("random_filler", [False, True])
def test_mqar_asks_for_each_key_once_at_even_places(random_filler):
    examples = mqar(5, 50, 64, 8, 256, random_filler=random_filler)
    for row, targets in zip(examples.inputs, examples.targets, strict=True):
        pairs = dict(zip(row[0:16:2], row[1:16:2], strict=True))
        places = np.flatnonzero(targets != IGNORED)
        assert len(pairs) == len(places) == 8
        assert (places % 2 == 0).all()
        assert places.min() >= 16
        assert all(pairs[row[place]] == targets[place] for place in places)


@pytest.mark.parametrize(("length", "pairs"), [(63, 4), (64, 17), (64, 0)])
def test_sizes_that_mqar_cannot_have_are_told(length, pairs):
    with pytest.raises(ValueError, match="an even length of at least 4 K"):
        mqar(0, 1, length, pairs, 256)


def test_listops_values_are_read_back_from_the_tokens():
    examples = listops(np.random.default_rng(0), 60, 10, 80)
    for row, value in zip(examples.inputs, examples.targets, strict=True):
        assert evaluate(row.tolist()) == value
        assert 10 < np.count_nonzero(row) < 80
    assert len({tuple(row) for row in examples.inputs}) == 60
    with pytest.raises(ValueError, match="do not exist"):
        listops(np.random.default_rng(0), 1, 10, 11)


@pytest.mark.parametrize("name", ["mad_recall", "mad_noisy_recall"])
def test_mad_recall_scores_keys_that_came_before(name):
    for row, place, answer in asked(CONFIGS[name]):
        earlier = dict(zip(row[0:place:2], row[1:place:2], strict=True))
        assert earlier[row[place]] == answer == row[place + 1]


def test_fuzzy_recall_plants_what_it_asks_for():
    examples = draw(CONFIGS["mad_fuzzy_recall"], "test")
    for row, targets in zip(examples.inputs.tolist(), examples.targets, strict=True):
        places = np.flatnonzero(targets != IGNORED)
        answer = row[places[0] + 1 :]
        assert answer == targets[places].tolist()
        probe = row[places[0] - 2 :]  # three tokens of the key, then its value
        assert any(row[i : i + len(probe)] == probe for i in range(places[0] - 2))


def test_copying_and_compression_want_the_tokens_in_order():
    for name in ("mad_copying", "mad_compression"):
        examples = draw(CONFIGS[name], "test")
        special = 14 if name == "mad_copying" else 15
        for row, targets in zip(examples.inputs, examples.targets, strict=True):
            assert row[row < special].tolist() == targets[targets != IGNORED].tolist()


def test_memorisation_has_one_map():
    pairs = {
        (row[place - 1], answer)
        for split in ("train", "test")
        for row, place, answer in asked(CONFIGS["mad_memorisation"], split)
    }
    assert len(pairs) == len({key for key, _ in pairs}) == 7


def test_pathfinder_draws_marks_and_dashes():
    images = draw(CONFIGS["pathfinder"], "train").inputs
    assert images.shape == (4, 1024, 1)
    assert images.min() == -1
    assert 0.02 < (images > 0).mean() < 0.4
    with pytest.raises(ValueError, match="a side of 32"):
        draw(CONFIGS["pathfinder"].model_copy(update={"length": 40}), "test")


def test_another_length_while_testing():
    config = CONFIGS["recall"].model_copy(update={"test_length": 24})
    assert draw(config, "test").inputs.shape[1] == 26
    assert draw(config, "train").inputs.shape[1] == 14


def test_distinct_draws_and_next_tokens():
    rows = distinct(np.random.default_rng(0), 100, 5, 9, 4)
    assert (np.sort(rows, 1) == np.arange(5, 9)).all()
    with pytest.raises(ValueError, match="cannot be drawn"):
        distinct(np.random.default_rng(0), 1, 0, 3, 4)
    assert next_tokens(np.array([[1, 2, 3]])).tolist() == [[2, 3, IGNORED]]
