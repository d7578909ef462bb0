"""Small measurements, and what a fitted network's spectrum says."""

import pytest
import torch
from safetensors.torch import save

from models.spacetime.benchmark import benchmark
from models.spacetime.benchmark_config import BenchmarkConfig
from models.spacetime.config import ModelConfig
from models.spacetime.forecaster import SpaceTime
from models.spacetime.spectra import eigenvalues


def test_every_case_is_measured() -> None:
    config = BenchmarkConfig(
        kernels=((8, 32),), count=2, growth_lengths=(32, 64), lag=16, horizon=8, batch=2,
        network=ModelConfig(transform="last", kernels=1, heads=4, state=4), runs=1, step_runs=1,
    )  # fmt: skip
    done: list[tuple[int, int]] = []
    found = list(benchmark(config, lambda i, n: done.append((i, n))))
    assert [m.case for m in found] == [
        "kernel", "growth of a kernel's cost with d + L", *["training step, so epoch"] * 3
    ]  # fmt: skip
    assert [m.peer for m in found[2:]] == ["lstm", "transformer", "s4d"]
    assert done[-1] == (3, 3)


def test_eigenvalues_of_every_layer_lie_in_the_unit_disc() -> None:
    torch.manual_seed(0)
    network = SpaceTime(ModelConfig(kernels=2, heads=2, state=7), channels=1, season=1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".a"):
                parameter.mul_(50)
    found = eigenvalues(save(network.state_dict()))
    assert {one.layer for one in found} == {"encoder.0.ssm", "decoder"}
    assert len(found) == 7 * (2 + 4)
    assert max(one.modulus for one in found) <= 1 + 1e-6
    first = found[0]
    assert first.modulus == pytest.approx((first.real**2 + first.imaginary**2) ** 0.5)
