"""Fits one network: AdamW, warm-up and cosine, early stop, best weights kept, resumable."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.progress import Progress, silent
from models.spacetime.config import FitConfig, ModelConfig
from models.spacetime.forecaster import SpaceTime
from models.spacetime.network import ForecastNetwork
from models.spacetime.neural_peers import PEERS, NeuralPeer
from models.spacetime.rivals import LSTM, S4D, Transformer
from models.spacetime.windows import Array
from models.training import torch_threads, warmup_cosine

# Predictions in batches of so many series: as fast as any, and the memory stays small.
_PREDICT_BATCH = 512
# Weights and dropout draw from the one generator of the process. Fits that run side by side in
# threads take turns with it, and its state is put back afterwards.
_global_generator = threading.RLock()
_NETWORKS: dict[str, Callable[[ModelConfig, int, int], ForecastNetwork]] = {
    "spacetime": SpaceTime,
    "s4d": S4D,
    "lstm": LSTM,
    "transformer": Transformer,
}


@dataclass(frozen=True)
class Trained:
    """A fitted network (in evaluation mode, on the CPU) and what its fitting took."""

    network: ForecastNetwork
    epochs: int
    train_seconds: float
    epoch_seconds: float
    validation_mse: float


@dataclass
class _Course:
    """How far a fit has come."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_error: float = math.inf
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)


def network_of(config: FitConfig, channels: int) -> ForecastNetwork:
    """The untrained network of a fit, as its seed makes it."""
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.model in PEERS:
            return NeuralPeer(config, channels)
        return _NETWORKS[config.model](config.network, channels, config.season)


def train_network(
    train: tuple[Array, Array],
    validation: tuple[Array, Array],
    config: FitConfig,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Trained:
    """Fits a network on standardised windows: lags (n, L, C) and horizons (n, H, C).

    Keeps the weights of the epoch with the smallest mean squared error over every validation
    window. Same data, config and machine give the same weights, also where a fit that was killed
    goes on: folder keeps its state after each epoch. Progress counts epochs.
    Raises ValueError when training diverges.
    """
    fit = _Fit(train, validation, config)
    state = None if folder is None else folder / "fit.pt"
    if state is not None and state.exists():
        fit.load(state)
    with torch_threads(config.train.threads), fit.noise():
        fit.run(state, progress)
    course = fit.course
    if not math.isfinite(course.best_error):
        raise ValueError(f"training diverged with seed {config.seed}: lower the learning rate")
    network = fit.network
    network.load_state_dict(course.best)
    return Trained(
        network.cpu().eval(),
        course.epoch,
        course.seconds,
        course.seconds / course.epoch,
        course.best_error,
    )


def predict(network: ForecastNetwork, lags: Array, horizon: int) -> Array:
    """Forecasts (n, horizon, C) of standardised lags (n, L, C), without dropout."""
    network.eval()
    device = network.transform.scale.device
    batch = max(_PREDICT_BATCH * network.inside // lags.shape[2], 1)
    with torch.inference_mode():
        parts = [
            network(_tensor(lags[start : start + batch]).to(device), horizon).cpu()
            for start in range(0, len(lags), batch)
        ]
    return torch.cat(parts).double().numpy()


def mean_squared_error(network: ForecastNetwork, windows: tuple[Array, Array]) -> float:
    """Over all windows, steps and channels; no average of batch averages."""
    lags, targets = windows
    return float(np.square(predict(network, lags, targets.shape[1]) - targets).mean())


class _Fit:
    """Everything that changes during a fit."""

    def __init__(
        self, train: tuple[Array, Array], validation: tuple[Array, Array], config: FitConfig
    ) -> None:
        self.config = config.train
        self.lags, self.targets = (_tensor(part).to(self.config.device) for part in train)
        self.validation = validation
        self.network = network_of(config, self.lags.shape[2]).to(self.config.device)
        self.network.set_scale(self.lags)
        self.order = torch.Generator().manual_seed(config.seed)
        self.dropout = torch.Generator().manual_seed(config.seed).get_state()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )
        self.course = _Course(best=self.network.state_dict())
        # Time on the one processor at work: the wall time of an otherwise idle machine.
        alone = self.config.threads == 1 and self.config.device == "cpu"
        self.clock: Callable[[], float] = time.thread_time if alone else time.perf_counter

    @contextmanager
    def noise(self) -> Iterator[None]:
        """A block in which the global generator is this fit's, where it draws from it at all."""
        if not self.network.config.dropout:
            yield
            return
        with _global_generator, torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.dropout)
            yield

    def run(self, state: Path | None, progress: Progress) -> None:
        config, course = self.config, self.course
        started = self.clock() - course.seconds
        while course.epoch < config.epochs and not self._over():
            self.network.train()
            for rows in self._batches():
                self._step(rows)
                if config.seconds is not None and self.clock() - started > config.seconds:
                    break
            course.epoch += 1
            error = mean_squared_error(self.network, self.validation)
            if error < course.best_error:
                course.best_error, course.best_epoch = error, course.epoch
                course.best = copy.deepcopy(self.network.state_dict())
            course.seconds = self.clock() - started
            progress(course.epoch, config.epochs)
            if state is not None:
                self.save(state)

    def save(self, path: Path) -> None:
        """All of the fit in one file, which replaces the one before at once."""
        temporary = path.with_suffix(".part")
        kept = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state(),
            "dropout": torch.get_rng_state(),
            "course": vars(self.course),
        }
        torch.save(kept, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.order.set_state(kept["order"].cpu())
        self.dropout = kept["dropout"].cpu()
        self.course = _Course(**kept["course"])

    def _over(self) -> bool:
        config, course = self.config, self.course
        spent = config.seconds is not None and course.seconds >= config.seconds
        return spent or course.epoch - course.best_epoch >= config.patience

    def _batches(self) -> tuple[Tensor, ...]:
        """Rows of one epoch's windows: every `stride`-th from a start drawn anew, shuffled."""
        stride = min(self.config.stride, len(self.lags))
        first = int(torch.randint(stride, (), generator=self.order))
        rows = torch.arange(first, len(self.lags), stride)
        return rows[torch.randperm(len(rows), generator=self.order)].split(self.config.batch)

    def _step(self, rows: Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * self._rate()
        loss = self.network.loss(self.lags[rows], self.targets[rows], self.config)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.course.step += 1

    def _rate(self) -> float:
        """Share of the peak learning rate."""
        windows = math.ceil(len(self.lags) / self.config.stride)
        steps = math.ceil(windows / self.config.batch) * self.config.epochs
        return warmup_cosine(self.course.step, steps, round(self.config.warmup * steps))


def _tensor(windows: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
