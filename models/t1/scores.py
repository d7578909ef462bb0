"""Errors of operators and baselines: relative L2, by mode, by sample, and what predicting costs."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from models.t1.baselines import Predictor, roll_out
from models.t1.modes import Array
from models.training import torch_threads

_TIMED_RUNS = 5
_TIMED_BATCH = 16


@dataclass(frozen=True)
class Tested:
    """Predictions (n, frames, C, *grid) of a test set and their errors."""

    prediction: NDArray[np.floating]
    errors: NDArray[np.float64]  # (n, frames), relative L2, mean over channels
    inference_ms: float  # a sample, all its frames

    @property
    def relative_l2(self) -> float:
        return float(self.errors.mean())

    @property
    def last_frame_l2(self) -> float:
        return float(self.errors[:, -1].mean())


def score_operator(predictor: Predictor, u: Array, y: Array, threads: int = 1) -> Tested:
    """Predicts y (n, frames, C, *grid) from u (n, C_in, *grid), rolling out where frames follow."""
    frames = y.shape[1]
    with torch_threads(threads):
        prediction = roll_out(predictor, u, frames)
        few = u[:_TIMED_BATCH]
        seconds = []
        for _ in range(_TIMED_RUNS):
            started = time.perf_counter()
            roll_out(predictor, few, frames)
            seconds.append(time.perf_counter() - started)
    milliseconds = 1e3 * statistics.median(seconds) / len(few)
    return Tested(prediction, relative_errors(prediction, y), milliseconds)


def relative_errors(prediction: Array, y: Array) -> NDArray[np.float64]:
    """||yhat - y|| / ||y|| over the grid, mean over channels: (n, frames)."""
    flat = (*y.shape[:3], -1)
    difference = np.asarray(prediction, np.float64) - y
    size = np.linalg.norm(np.asarray(y, np.float64).reshape(flat), axis=-1)
    return (np.linalg.norm(difference.reshape(flat), axis=-1) / np.maximum(size, 1e-12)).mean(-1)


def by_mode(prediction: Array, y: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root mean square, over samples, of error and truth in each shell of DCT coefficients.

    A shell is all coefficients whose largest number along the axes is the same; both results are
    indexed by it. The squares add up to the mean squared norms (Parseval).
    """
    axes = range(3, y.ndim)
    error = dctn(np.asarray(prediction, np.float64) - y, axes=axes, norm="ortho")
    truth = dctn(np.asarray(y, np.float64), axes=axes, norm="ortho")
    shell = np.maximum.reduce(np.meshgrid(*(range(n) for n in y.shape[3:]), indexing="ij"))
    of_error, of_truth = (
        np.sqrt(np.bincount(shell.ravel(), (part**2).sum((1, 2)).mean(0).ravel()))
        for part in (error, truth)
    )
    return of_error, of_truth


def break_even_solves(
    data_seconds: float, train_seconds: float, solver_ms: float, inference_ms: float
) -> float | None:
    """Solves after which a fitted operator has paid for its data and its fit; None if never."""
    gain = (solver_ms - inference_ms) / 1e3
    return (data_seconds + train_seconds) / gain if gain > 0 else None
