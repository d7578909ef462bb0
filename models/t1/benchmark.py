"""What T1's single transform saves: training steps and predictions against FNO, and FNO's own peer.

    models.measuring.Measurement for every case: T1 against FNO, FNO against neuraloperator's

Both sides have the same modes along each axis, width and layers, see the same batch, and run in
turn. neuraloperator counts modes of both signs, so the paper's m modes are 2 m there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version

import torch
from torch import Tensor, nn

from models.measuring import Measurement, in_turn
from models.progress import Progress, silent
from models.t1.config import BenchmarkConfig
from models.t1.fno import FNO
from models.t1.modes import lowest
from models.t1.network import T1
from models.t1.peers import fno_class
from models.training import torch_threads


def benchmark(config: BenchmarkConfig, progress: Progress = silent) -> Iterator[Measurement]:
    """Medians of training steps and predictions on square grids [ms a batch].

    Raises ModuleNotFoundError when neuraloperator is not installed.
    """
    modes, width, layers, batch = config.modes, config.width, config.layers, config.batch
    peer = neuraloperator()
    versions = {"torch": version("torch"), "neuraloperator": version("neuraloperator")}
    with torch_threads(config.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for done, n in enumerate(config.grids):
            progress(done, len(config.grids))
            shape = (n, n)
            networks: dict[str, nn.Module] = {
                "T1": T1((1, 1), shape, lowest((modes, modes), shape), width=width, layers=layers),
                "FNO": FNO((1, 1), shape, (modes, modes), width=width, layers=layers),
                "neuraloperator": peer(modes, width, layers),
            }
            u, y = torch.randn(2, batch, 1, n, n)
            sides = {
                name: (net.to(config.device), u.to(config.device), y.to(config.device))
                for name, net in networks.items()
            }
            cases = {
                "training step": {name: _step(*side) for name, side in sides.items()},
                "inference": {name: _inference(*side[:2]) for name, side in sides.items()},
            }
            for case, contestants in cases.items():
                seconds = in_turn(contestants, config.runs)
                for ours, other in (("T1", "FNO"), ("FNO", "neuraloperator"),
                                    ("T1", "neuraloperator")):  # fmt: skip
                    yield Measurement(
                        case=case,
                        size=f"{n}x{n} B={batch} m={modes} W={width} layers={layers}",
                        ours=ours,
                        ours_value=1e3 * seconds[ours],
                        peer=other,
                        peer_value=1e3 * seconds[other],
                        unit="ms",
                        runs=config.runs,
                        threads=config.threads,
                        device=config.device,
                        versions=versions,
                    )
        progress(len(config.grids), len(config.grids))


def neuraloperator() -> Callable[[int, int, int], nn.Module]:
    """neuraloperator's FNO of given modes, width and layers, made as plain as ours.

    Raises ModuleNotFoundError with the cure when the package is missing.
    """
    peer = fno_class()

    def build(modes: int, width: int, layers: int) -> nn.Module:
        return peer(
            n_modes=(2 * modes, 2 * modes),
            in_channels=1,
            out_channels=1,
            hidden_channels=width,
            n_layers=layers,
            use_channel_mlp=False,
            lifting_channel_ratio=1,
            projection_channel_ratio=128 / width,
        )

    return build


def _step(network: nn.Module, u: Tensor, y: Tensor) -> Callable[[], object]:
    """One training step: encoding, forward, loss, backward and AdamW."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        if isinstance(network, T1):
            difference = network.run(network.encode(u)) - network.encode(y)
        else:
            difference = network(u) - y
        optimizer.zero_grad()
        difference.square().sum().backward()
        optimizer.step()
        _wait(u)

    return step


def _inference(network: nn.Module, u: Tensor) -> Callable[[], object]:
    """Fields in, fields out."""

    def predict() -> None:
        with torch.inference_mode():
            network(u)
        _wait(u)

    return predict


def _wait(u: Tensor) -> None:
    if u.is_cuda:
        torch.cuda.synchronize()
