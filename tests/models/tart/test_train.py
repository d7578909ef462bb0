"""Training: that it learns, repeats itself, follows its recipe, and survives as bytes."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load

from models.tart.config import PAPER_RECIPE, HeadConfig, TrainConfig
from models.tart.module import ReasoningHead
from models.tart.train import (
    head_from_bytes,
    head_to_bytes,
    train_head,
)

HEAD = HeadConfig(width_in=1, points=8, layers=1, heads=1, width=16, attention="causal")
SET_HEAD = HEAD.model_copy(update={"attention": "context"})


def one_dimensional(step, batch=64, points=8):
    """Problems on a line with sharp labels: the sign of x decides, up to a flip."""
    rng = np.random.default_rng((7, step))
    x = rng.standard_normal((batch, points, 1))
    p_true = 1 / (1 + np.exp(-20 * x[..., 0] * rng.choice([-1, 1], (batch, 1))))
    y = rng.random(p_true.shape) < p_true
    return tuple(a.astype(np.float32) for a in (x, y, p_true))


def seven_examples(step, batch=64):
    """The same problems as a context of seven examples and queries that do not see each other."""
    x, y, p_true = one_dimensional(step, batch, points=16)
    return x, y, p_true[:, 7:]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_head_learns_from_sets_of_examples(precision):
    config = TrainConfig(steps=150, warmup=20, precision=precision)
    head, records = train_head(SET_HEAD, config, seven_examples)
    x, y, _ = (torch.from_numpy(a) for a in seven_examples(10_000, batch=1000))
    with torch.no_grad():
        hits = ((head.answer(x[:, :7], y[:, :7], x[:, 7:]) >= 0) == (y[:, 7:] >= 0.5)).float()
    assert records[0].loss > records[-1].loss
    assert hits.mean() > 0.85


@pytest.mark.parametrize("targets", ["probabilities", "labels"])
def test_a_head_learns_problems_on_a_line_in_context(targets):
    config = TrainConfig(steps=250, warmup=20, targets=targets)
    head, records = train_head(HEAD, config, one_dimensional)
    x, y, _ = (torch.from_numpy(a) for a in one_dimensional(10_000, batch=1000))
    with torch.no_grad():
        hits = ((head(x, y) >= 0) == (y >= 0.5)).float().mean(0)
    assert records[0].loss > records[-1].loss
    assert hits[0] < 0.6, "the first point of a problem cannot be known"
    assert hits[7] > hits[1] > 0.7
    assert hits[7] > 0.85


@pytest.mark.parametrize("config", [TrainConfig(steps=6), PAPER_RECIPE], ids=["quick", "paper"])
def test_same_configuration_and_batches_give_the_same_weights_to_the_bit(config):
    config = config.model_copy(update={"steps": 6, "device": "cpu"})
    one, other = (train_head(HEAD, config, one_dimensional)[0] for _ in range(2))
    assert head_to_bytes(one) == head_to_bytes(other)
    fresh = ReasoningHead(HEAD, config.seed).state_dict()
    moved = load(head_to_bytes(one))
    assert all(not torch.equal(moved[name], fresh[name]) for name in fresh)


def test_paper_recipe_takes_the_first_step_of_adam_at_1e_4():
    config = PAPER_RECIPE.model_copy(update={"steps": 1, "device": "cpu"})
    moved = train_head(HEAD, config, one_dimensional)[0].state_dict()
    fresh = ReasoningHead(HEAD, config.seed).state_dict()
    step = (moved["read_out.weight"] - fresh["read_out.weight"]).abs()
    torch.testing.assert_close(step, torch.full_like(step, 1e-4), rtol=1e-2, atol=0)


def test_every_step_sees_its_own_batch_and_is_reported():
    seen, reports = [], []
    train_head(
        HEAD,
        TrainConfig(steps=5, log_every=2),
        lambda step: seen.append(step) or one_dimensional(step, batch=2),
        progress=lambda done, total: reports.append((done, total)),
    )
    assert seen == [0, 1, 2, 3, 4]
    assert reports == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_records_come_every_log_interval_and_at_the_end():
    config = TrainConfig(steps=5, log_every=2)
    records = train_head(HEAD, config, lambda step: one_dimensional(step, points=3 + step))[1]
    assert [(r.step, r.points) for r in records] == [(2, 4), (4, 6), (5, 7)]
    assert records[0].loss == pytest.approx(math.log(2), abs=0.05)
    assert all(0 <= r.accuracy <= 1 for r in records)
    assert 0 < records[0].seconds < records[-1].seconds


def test_weights_survive_as_bytes():
    head = ReasoningHead(HEAD, seed=3)
    x, y, _ = (torch.from_numpy(a) for a in one_dimensional(0))
    with torch.no_grad():
        again = head_from_bytes(head_to_bytes(head), HEAD)
        assert torch.equal(again(x, y), head(x, y))


def test_weights_of_another_size_are_refused():
    weights = head_to_bytes(ReasoningHead(HEAD))
    with pytest.raises(ValueError, match="not those of a head of this configuration"):
        head_from_bytes(weights, HEAD.model_copy(update={"width": 32}))


class Killed(Exception):
    pass


def killed_at(step, problems=seven_examples):
    def batch(at):
        if at == step:
            raise Killed
        return problems(at, batch=4)

    return batch


def whole(step):
    return seven_examples(step, batch=4)


@pytest.mark.parametrize("schedule", ["cosine", "trapezoid"])
def test_a_killed_training_ends_as_the_one_that_was_not(tmp_path, monkeypatch, schedule):
    monkeypatch.setattr("models.tart.train._SAVE_EVERY_SECONDS", 0.0)
    config = TrainConfig(steps=9, log_every=4, warmup=2, schedule=schedule, decay=3)
    with pytest.raises(Killed):
        train_head(SET_HEAD, config, killed_at(6), folder=tmp_path)
    begun = []
    resumed, records = train_head(
        SET_HEAD, config, lambda step: begun.append(step) or whole(step), folder=tmp_path
    )
    straight, expected = train_head(SET_HEAD, config, whole)
    assert begun == [6, 7, 8]
    assert head_to_bytes(resumed) == head_to_bytes(straight)
    assert [(r.step, r.loss, r.accuracy) for r in records] == [
        (r.step, r.loss, r.accuracy) for r in expected
    ]


def test_a_trapezoid_can_be_given_another_end_before_it_falls(tmp_path, monkeypatch):
    monkeypatch.setattr("models.tart.train._SAVE_EVERY_SECONDS", 0.0)
    config = TrainConfig(steps=100, warmup=2, schedule="trapezoid", decay=3)
    with pytest.raises(Killed):
        train_head(SET_HEAD, config, killed_at(6), folder=tmp_path)
    shorter = config.model_copy(update={"steps": 9, "decay": 2})
    resumed, _ = train_head(SET_HEAD, shorter, whole, folder=tmp_path)
    assert head_to_bytes(resumed) == head_to_bytes(train_head(SET_HEAD, shorter, whole)[0])


@pytest.mark.parametrize(
    "change",
    [{"steps": 8}, {"learning_rate": 1e-3}, {"schedule": "cosine"}],
    ids=["falls-before", "rate", "schedule"],
)
def test_the_state_of_another_training_is_refused(tmp_path, monkeypatch, change):
    monkeypatch.setattr("models.tart.train._SAVE_EVERY_SECONDS", 0.0)
    config = TrainConfig(steps=100, schedule="trapezoid", decay=3)
    with pytest.raises(Killed):
        train_head(SET_HEAD, config, killed_at(6), folder=tmp_path)
    with pytest.raises(ValueError, match=r"training\.pt is the state of a training by another"):
        train_head(SET_HEAD, config.model_copy(update=change), whole, folder=tmp_path)


def test_a_loss_that_is_not_finite_stops_training():
    def broken(step):
        x, y, p_true = one_dimensional(step)
        return x * np.float32(np.nan), y, p_true

    with pytest.raises(ValueError, match="loss is nan at step 2"):
        train_head(HEAD, TrainConfig(steps=4, log_every=2), broken)


def test_a_device_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda', which is absent"):
        train_head(HEAD, TrainConfig(steps=1, device="cuda"), one_dimensional)


# Muon orthogonalises in bfloat16, which makes much of a last digit.
BY_ADAM = TrainConfig(steps=5, warmup=2, matrix_learning_rate=None)


def _process(rank, port, folder):
    import torch.distributed as dist

    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    head, _ = train_head(SET_HEAD, BY_ADAM, whole)
    torch.save(head.state_dict(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_train_as_one(tmp_path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_process, (port, str(tmp_path)), nprocs=2)
    alone, _ = train_head(SET_HEAD, BY_ADAM, whole)
    for rank in (0, 1):
        told = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(told[name], value, rtol=1e-3, atol=1e-4)
