"""What the companion structure saves: kernels against repeated squaring, epochs against rivals.

models.measuring.Measurement for every case
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.metadata import version

import torch
from torch import Tensor

from models.measuring import Measurement, in_turn
from models.progress import Progress, silent
from models.spacetime.benchmark_config import BenchmarkConfig
from models.spacetime.config import FitConfig, TrainConfig
from models.spacetime.kernels import bound_l1, companion_kernel
from models.spacetime.published_kernels import kernel_by_squaring
from models.spacetime.train import network_of
from models.training import torch_threads


def benchmark(config: BenchmarkConfig, progress: Progress = silent) -> Iterator[Measurement]:
    """Medians of kernels [ms], growth of their cost with L, and training steps [ms]."""
    total = len(config.kernels) + 2
    versions = {"torch": version("torch")}
    with torch_threads(config.threads), torch.inference_mode():
        for done, (d, length) in enumerate(config.kernels):
            progress(done, total)
            vectors = _vectors(config.count, d)
            seconds = in_turn(
                {
                    "power series": _kernel(companion_kernel, vectors, length),
                    "repeated squaring": _kernel(kernel_by_squaring, vectors, length),
                },
                config.runs,
            )
            yield Measurement(
                case="kernel",
                size=f"{config.count} kernels d={d} L={length}",
                ours="power series",
                ours_value=1e3 * seconds["power series"],
                peer="repeated squaring",
                peer_value=1e3 * seconds["repeated squaring"],
                unit="ms",
                runs=config.runs,
                threads=config.threads,
                versions=versions,
            )
        progress(total - 2, total)
        yield _growth(config)
    progress(total - 1, total)
    with torch_threads(config.threads):
        yield from _steps(config, versions)
    progress(total, total)


def _growth(config: BenchmarkConfig) -> Measurement:
    """Exponent of the cost in d + L, fitted over doubling L: 1 is linear."""
    d = config.growth_state
    vectors = _vectors(config.growth_count, d)
    lengths = config.growth_lengths
    contestants = {str(n): _kernel(companion_kernel, vectors, n) for n in lengths}
    seconds = in_turn(contestants, config.runs)
    x = [math.log(d + n) for n in lengths]
    y = [math.log(seconds[str(n)]) for n in lengths]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    slope = sum((p - x_mean) * (q - y_mean) for p, q in zip(x, y, strict=True)) / sum(
        (p - x_mean) ** 2 for p in x
    )
    return Measurement(
        case="growth of a kernel's cost with d + L",
        size=f"{config.growth_count} kernels d={d} L={lengths[0]}..{lengths[-1]}, "
        f"{len(lengths)} sizes",
        ours="power series",
        ours_value=slope,
        peer="linear",
        peer_value=1.0,
        unit="exponent",
        runs=config.runs,
        threads=config.threads,
    )


def _steps(config: BenchmarkConfig, versions: dict[str, str]) -> Iterator[Measurement]:
    """One training step each at equal width, depth and batch; an epoch is so many of them."""
    generator = torch.Generator().manual_seed(0)
    lags = torch.randn(config.batch, config.lag, 1, generator=generator)
    targets = torch.randn(config.batch, config.horizon, 1, generator=generator)
    names = ("spacetime", "lstm", "transformer", "s4d")
    contestants = {}
    for name in names:
        fit = FitConfig.model_validate(
            {"model": name, "lag": config.lag, "horizon": config.horizon, "network": config.network}
        )
        contestants[name] = _step(fit, lags, targets)
    seconds = in_turn(contestants, config.step_runs)
    for peer in names[1:]:
        yield Measurement(
            case="training step, so epoch",
            size=f"lag={config.lag} horizon={config.horizon} B={config.batch} "
            f"D={config.network.kernels * config.network.heads}",
            ours="spacetime",
            ours_value=1e3 * seconds["spacetime"],
            peer=peer,
            peer_value=1e3 * seconds[peer],
            unit="ms",
            runs=config.step_runs,
            threads=config.threads,
            versions=versions,
        )


def _step(fit: FitConfig, lags: Tensor, targets: Tensor) -> Callable[[], object]:
    network = network_of(fit, 1).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        loss = network.loss(lags, targets, TrainConfig())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _vectors(count: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b, c = torch.randn(3, count, d, generator=generator)
    return bound_l1(a), b, c


def _kernel(
    form: Callable[[Tensor, Tensor, Tensor, int], Tensor],
    vectors: tuple[Tensor, Tensor, Tensor],
    length: int,
) -> Callable[[], object]:
    return lambda: form(*vectors, length)
