"""neuraloperator's networks as operators: fitted, kept and read again like any other."""

import sys

import numpy as np
import pytest
import torch

from models.t1.config import ModelConfig, TrainConfig
from models.t1.operator import from_bytes, parameter_count, to_bytes
from models.t1.symmetries import Fields
from models.t1.train import train_operator

NAMES = ("neuraloperator_fno", "neuraloperator_tfno")
FIT = TrainConfig(seconds=None, epochs=2, batch=4, checks=1)


def config(name):
    return ModelConfig(model=name, modes=3, width=4, layers=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_is_fitted_and_its_weights_read_again(name):
    pytest.importorskip("neuralop")
    rng = np.random.default_rng(0)
    data = Fields(*rng.standard_normal((2, 6, 1, 8, 8)).astype(np.float32))
    operator, course = train_operator(data, data, config(name), FIT, 0)
    assert course.steps == 4
    again = from_bytes(to_bytes(operator), config(name), (1, 1), (8, 8), ())
    assert np.array_equal(again.predict(data.u), operator.predict(data.u))
    assert operator.predict(np.zeros((1, 1, 16, 16), np.float32)).shape == (1, 1, 16, 16)


def test_complex_numbers_count_twice():
    module = torch.nn.ParameterList([torch.zeros(3, dtype=torch.complex64), torch.zeros(2)])
    assert parameter_count(module) == 8


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "neuralop.models", None)
    rng = np.random.default_rng(0)
    data = Fields(*rng.standard_normal((2, 4, 1, 8, 8)).astype(np.float32))
    with pytest.raises(ModuleNotFoundError, match="install the extra 'peers'"):
        train_operator(data, data, config(NAMES[0]), FIT, 0)
