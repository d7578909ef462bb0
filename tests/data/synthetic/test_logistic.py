"""The synthetic law: its labels, its streams, and the curricula of the authors' configurations."""

import numpy as np
import pytest
from pydantic import ValidationError

from data.synthetic.logistic import (
    NL_TASK,
    PROBABILISTIC_LOGISTIC_REGRESSION,
    REASONING_HEAD_S258,
    Contexts,
    Curriculum,
    Ramp,
    StreamConfig,
    TasksConfig,
    draw_problems,
    evaluation_problems,
    training_batch,
    whitened,
)


def draw(*, problems=64, points=10, width=6, dimension=4, alpha=10.0):
    return draw_problems(
        np.random.default_rng(0),
        problems=problems,
        points=points,
        width=width,
        dimension=dimension,
        alpha=alpha,
    )


def test_labels_follow_the_law_in_every_bin_of_probability():
    problems = draw(problems=10_000, points=40, alpha=1.0)
    p_true, y = problems.p_true.ravel(), problems.y.ravel()
    bins = np.digitize(p_true, np.linspace(0, 1, 11))
    for b in np.unique(bins):
        assert y[bins == b].mean() == pytest.approx(p_true[bins == b].mean(), abs=0.02)


def test_the_law_is_a_logistic_regression_without_intercept_of_variance_alpha_squared():
    problems = draw(problems=4000, points=10, dimension=4, alpha=2.0)
    p = problems.p_true.astype(np.float64).clip(1e-7, 1 - 1e-7)
    logit = np.log(p) - np.log1p(-p)
    w = np.stack([np.linalg.lstsq(x[:, :4], z)[0] for x, z in zip(problems.x, logit, strict=True)])
    recovered = np.einsum("bpd,bd->bp", problems.x[..., :4], w)
    assert np.abs(recovered - logit)[np.abs(logit) < 5].mean() < 0.05
    assert w.var(axis=0) == pytest.approx(np.full(4, 4.0), rel=0.15)


def test_points_are_standard_normal_up_to_d_and_exactly_zero_from_there():
    x = draw(problems=4000, width=6, dimension=4).x
    assert np.all(x[..., 4:] == 0)
    assert x[..., :4].var(axis=(0, 1)) == pytest.approx(np.ones(4), rel=0.03)


def test_alpha_and_d_leave_the_points_in_place():
    few, many = draw(dimension=2, alpha=1.0), draw(dimension=6, alpha=10.0)
    assert np.array_equal(few.x[..., :2], many.x[..., :2])


@pytest.mark.parametrize("dimension", [0, 7])
def test_live_coordinates_outside_the_width_are_refused(dimension):
    with pytest.raises(ValueError, match=r"1\.\.6"):
        draw(width=6, dimension=dimension)


@pytest.mark.parametrize(
    ("curriculum", "expected"),
    [
        (
            REASONING_HEAD_S258,
            {0: (4, 18), 999: (4, 18), 1000: (8, 48), 3000: (16, 108), 8000: (16, 258)}
            | {34999: (16, 258)},
        ),
        (
            PROBABILISTIC_LOGISTIC_REGRESSION,
            {0: (4, 18), 999: (4, 18), 1000: (8, 26), 3000: (16, 42), 6000: (16, 66)}
            | {34999: (16, 66)},
        ),
        (NL_TASK, {0: (16, 64), 34999: (16, 64)}),
    ],
    ids=["s258", "probabilistic", "nl_task"],
)
def test_curriculum_follows_the_table_of_the_authors_configuration(curriculum, expected):
    grown = {step: (curriculum.dimension.at(step), curriculum.points.at(step)) for step in expected}
    assert grown == expected


def test_a_ramp_never_exceeds_its_end_between_its_growths():
    ramp = Ramp(start=3, end=10, increment=4, interval=7)
    assert [ramp.at(s) for s in (0, 6, 7, 13, 14, 10**6)] == [3, 3, 7, 7, 10, 10]


def test_batches_depend_on_seed_and_step_alone():
    config = StreamConfig(batch=3)
    forward = [training_batch(config, step) for step in (5, 6)]
    backward = [training_batch(config, step) for step in (6, 5)][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(forward[0].x, forward[1].x)
    other_seed = training_batch(config.model_copy(update={"seed": 1}), 5)
    assert not np.array_equal(forward[0].x, other_seed.x)


def test_batches_have_the_sizes_of_the_curriculum():
    curriculum = Curriculum(
        dimension=Ramp(start=1, end=3, interval=10), points=Ramp(start=2, end=9, interval=10)
    )
    config = StreamConfig(width=3, batch=5, curriculum=curriculum, contexts=None)
    for step, d, points in [(0, 1, 2), (10, 2, 3), (20, 3, 4), (999, 3, 9)]:
        x, y, p_true = training_batch(config, step)
        assert x.shape == (5, points, 3)
        assert y.shape == p_true.shape == (5, points)
        assert np.all(x[..., d:] == 0)
        assert np.all(x[..., d - 1] != 0)


def contexts(**changes):
    """A stream of up to 20 examples and at least 10 queries, at d = D = 3."""
    grown = Curriculum(dimension=Ramp(start=3, end=3), points=Ramp(start=30, end=30))
    given = {"fewest": 6, "most": 20, **changes.pop("contexts", {})}
    return StreamConfig(width=3, batch=5, curriculum=grown, contexts=Contexts(**given), **changes)


def test_the_law_is_told_of_queries_alone_and_k_spans_its_range():
    batches = [training_batch(contexts(), step) for step in range(300)]
    sizes = [x.shape[1] - p_true.shape[1] for x, _, p_true in batches]
    assert min(sizes) == 6
    assert max(sizes) == 20
    assert 0.4 < np.mean(np.equal(sizes, 20)) < 0.7
    assert {y.shape[1] for _, y, _ in batches} == {30}


def test_problems_of_one_batch_have_alphas_of_their_own():
    config = contexts(alphas=(0.01, 100.0), contexts={"full": 1.0})
    p_true = np.concatenate([training_batch(config, step).p_true for step in range(10)])
    unsure = np.abs(p_true - 0.5).mean(axis=1) < 0.05
    assert 0 < unsure.sum() < len(unsure)


def test_some_batches_have_fewer_live_coordinates():
    live = {
        int((training_batch(contexts(fewer=0.5), step).x != 0).any(axis=(0, 1)).sum())
        for step in range(40)
    }
    assert live == {1, 2, 3}


def test_whitened_examples_have_mean_0_and_covariance_1_and_keep_the_law():
    plain = training_batch(contexts(), 0)
    x, y, p_true = training_batch(contexts(contexts={"whitened": 1.0}), 0)
    k = x.shape[1] - p_true.shape[1]
    for examples in x[:, :k].astype(np.float64):
        assert examples.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
        assert np.cov(examples.T) == pytest.approx(np.eye(3), abs=1e-5)
    assert np.array_equal(y, plain.y)
    assert np.array_equal(p_true, plain.p_true)
    moved = plain.x.copy()
    moved[:, k:] += 1
    np.testing.assert_array_equal(whitened(moved, k)[:, :k], x[:, :k])


def test_evaluation_never_meets_the_training_stream():
    tasks = evaluation_problems(TasksConfig(problems=4, points=34, seed=0), 4, 10.0)
    for step in range(20):
        batch = training_batch(StreamConfig(batch=4, seed=0), step)
        assert np.intersect1d(tasks.x, batch.x).size == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: Ramp(start=5, end=4),
        lambda: StreamConfig(width=3),
        lambda: TasksConfig(width=3, dimensions=(4,)),
        lambda: TasksConfig(alphas=(0.0,)),
        lambda: StreamConfig(alphas=(1.0, -1.0)),
        lambda: StreamConfig(contexts=Contexts(most=66)),
        lambda: Contexts(fewest=9, most=8),
    ],
    ids=[
        "ramp down",
        "curriculum wider than points",
        "tasks wider than points",
        "alpha zero",
        "alpha negative",
        "no query left",
        "fewest above most",
    ],
)
def test_impossible_configurations_are_refused(build):
    with pytest.raises(ValidationError):
        build()
