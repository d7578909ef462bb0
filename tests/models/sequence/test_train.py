"""Training: it learns, goes on where it was killed, and gives every parameter its own rate."""

import math

import pytest
import torch
import torch.multiprocessing as mp

from models.sequence.backbone import Backbone
from models.sequence.config import BackboneConfig, LongConvConfig, TrainConfig
from models.sequence.scores import IGNORED, Examples, evaluate, loss_of
from models.sequence.train import DivergenceError, parameter_groups, train_backbone

MODEL = BackboneConfig(
    pattern=("h3",), width=16, mlp=32, longest=8, vocabulary=5, outputs=5, dropout=0.1
)
TRAIN = TrainConfig(epochs=4, batch=16, learning_rate=1e-2, checks=4)


def copying(n: int, seed: int = 0) -> Examples:
    """The token before last: what a shift must find."""
    inputs = torch.randint(5, (n, 8), generator=torch.Generator().manual_seed(seed))
    targets = torch.full_like(inputs, IGNORED)
    targets[:, 1:] = inputs[:, :-1]
    return Examples(inputs, targets)


def fitted(config: TrainConfig = TRAIN, **options):
    return train_backbone(
        copying(200), copying(50, 1), MODEL, config, metric="accuracy", seed=0, **options
    )


def test_a_shift_is_learnt():
    model, course = fitted(TRAIN.model_copy(update={"epochs": 12.0, "stop_at": 0.99}))
    assert evaluate(model, copying(50, 2), "accuracy") > 0.95
    assert evaluate(model, copying(50, 2), "perplexity") < 1.5
    assert course.train[-1] < course.train[0]
    assert course.stopped
    assert course.steps < 12 * 13


def test_a_killed_fit_goes_on_step_for_step(tmp_path, monkeypatch):
    monkeypatch.setattr("models.sequence.train._SAVE_EVERY_SECONDS", 0.0)
    whole, course = fitted()

    def kill(done: int, total: int) -> None:
        if done == 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(folder=tmp_path, progress=kill)
    again, resumed = fitted(folder=tmp_path)
    assert resumed.steps == course.steps
    assert resumed.validation == course.validation
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_lengths_double_within_the_first_half():
    lengths = []
    train = copying(64)

    config = TrainConfig(epochs=4, batch=16, lengthenings=2, checks=1)
    model = MODEL.model_copy(update={"dropout": 0.0})
    hook = Backbone.hidden
    try:
        Backbone.hidden = lambda self, x, layer=-1: (lengths.append(x.shape[1]), hook(self, x))[1]
        train_backbone(train, train, model, config, metric="accuracy", seed=0)
    finally:
        Backbone.hidden = hook
    assert lengths[:16] == [2] * 4 + [4] * 4 + [8] * 8


def test_what_has_a_rate_of_its_own_does_not_decay():
    config = BackboneConfig(
        pattern=("long_conv", "h3"), width=4, longest=8, long=LongConvConfig(learning_rate=1e-4)
    )
    model = Backbone(config)
    groups = parameter_groups(model, TrainConfig(learning_rate=1e-2, weight_decay=0.1))
    told = {p: (g["peak"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert told[model.blocks[0].mixer.kernel] == (1e-4, 0.0)
    assert told[model.blocks[1].mixer.ssm.c] == (1e-3, 0.0)
    assert told[model.blocks[1].mixer.out.weight] == (1e-2, 0.1)
    assert told[model.norm.weight] == (1e-2, 0.0)
    assert len(told) == len(list(model.parameters()))


def test_metrics_by_hand():
    model = Backbone(MODEL.model_copy(update={"dropout": 0.0})).eval()
    data = copying(6)
    predicted = model(data.inputs).argmax(-1)
    there = data.targets != IGNORED
    right = (predicted == data.targets) & there
    assert evaluate(model, data, "accuracy") == pytest.approx(right.sum().item() / 42)
    whole = (right.sum(1) == 7).double().mean().item()
    assert evaluate(model, data, "exact", batch=4) == pytest.approx(whole)
    loss = loss_of(model, *data).item()
    assert evaluate(model, data, "perplexity") == pytest.approx(math.exp(loss), rel=1e-5)


def test_numbers_are_fitted_by_squares():
    torch.manual_seed(0)
    inputs = torch.randn(100, 8, 1)
    targets = inputs.squeeze(-1).cumsum(1)
    targets[:, ::2] = torch.nan
    config = MODEL.model_copy(update={"vocabulary": 0, "outputs": 1})
    examples = Examples(inputs, targets)
    model, _ = train_backbone(examples, examples, config, TRAIN, metric="mse", seed=0)
    assert evaluate(model, examples, "mse") < targets.nanmean().item() ** 2 + 5


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (torch.full((2, 8), 5), torch.zeros(2, 8).long(), "tokens from 0 to 4"),
        (torch.zeros(2, 8).long(), torch.full((2, 8), 5), "classes from 0 to 4"),
        (torch.zeros(2, 8).long(), torch.zeros(3, 8).long(), "2 inputs and 3 targets"),
        (torch.zeros(2, 8).long(), torch.zeros(2).long(), "pool is False"),
    ],
)
def test_examples_that_do_not_fit_are_told(inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        train_backbone(
            Examples(inputs, targets), copying(4), MODEL, TRAIN, metric="accuracy", seed=0
        )


def test_a_loss_that_is_no_number_ends_the_fit():
    config = MODEL.model_copy(update={"vocabulary": 0, "channels": 1})
    huge = Examples(torch.full((32, 8, 1), 3e38), torch.zeros(32, 8).long())
    with pytest.raises(DivergenceError, match="lower the learning rate"):
        train_backbone(huge, huge, config, TRAIN, metric="accuracy", seed=0)


def _process(rank: int, port: int, folder: str) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    config = TRAIN.model_copy(update={"epochs": 1.0})
    model, _ = train_backbone(
        copying(64), copying(16, 1), MODEL.model_copy(update={"dropout": 0.0}), config,
        metric="accuracy", seed=0,
    )  # fmt: skip
    torch.save(model.state_dict(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_train_as_one(tmp_path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_process, (port, str(tmp_path)), nprocs=2)
    config = TRAIN.model_copy(update={"epochs": 1.0})
    alone, _ = train_backbone(
        copying(64), copying(16, 1), MODEL.model_copy(update={"dropout": 0.0}), config,
        metric="accuracy", seed=0,
    )  # fmt: skip
    for rank in (0, 1):
        told = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(told[name], value, rtol=1e-3, atol=1e-4)
