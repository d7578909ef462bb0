"""What an operator has to beat: the mean field, standing still, and the best linear map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from models.t1.modes import Array
from models.t1.symmetries import Fields

_PENALTIES = tuple(10.0**k for k in range(-6, 3))


class Predictor(Protocol):
    """Anything from fields to fields: an Operator or a baseline."""

    def predict(self, u: Array) -> NDArray[np.floating]:
        """(n, C_in, *grid) -> (n, C_out, *grid)."""


class MeanField:
    """The mean of the train outputs, whatever the input."""

    def __init__(self, train: Fields) -> None:
        self.mean = train.y.mean(0)
        self.parameters = self.mean.size

    def predict(self, u: Array) -> NDArray[np.floating]:
        return np.broadcast_to(self.mean, (len(u), *self.mean.shape))


class Persistence:
    """The newest frame of the input, unchanged."""

    parameters = 0

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def predict(self, u: Array) -> NDArray[np.floating]:
        return u[:, -self.channels :]


class Ridge:
    """Linear from the lowest DCT coefficients of all inputs to those of all outputs.

    Coefficients of both sides are centred; the penalty, relative to the mean variance of an
    input, is the one of the smallest error over the validation samples.
    """

    def __init__(self, train: Fields, validation: Fields, modes: int) -> None:
        self.modes = [min(modes, n) for n in train.u.shape[2:]]
        u, y = self._low(train.u), self._low(train.y)
        self.u_mean, self.y_mean = u.mean(0), y.mean(0)
        left, size, right = np.linalg.svd(u - self.u_mean, full_matrices=False)
        targets = left.T @ (y - self.y_mean)
        scale = (size**2).mean()
        best = math.inf
        for penalty in _PENALTIES:
            weights = right.T @ (targets * (size / (size**2 + penalty * scale + 1e-300))[:, None])
            error = float(np.square(self._apply(validation.u, weights)
                                    - self._low(validation.y)).sum())  # fmt: skip
            if error < best:
                best, self.weights = error, weights
        self.parameters = self.weights.size + self.u_mean.size + self.y_mean.size
        self.channels = train.y.shape[1]

    def predict(self, u: Array) -> NDArray[np.floating]:
        low = self._apply(u, self.weights).reshape(len(u), self.channels, *self.modes)
        rest = [(0, n - m) for n, m in zip(u.shape[2:], self.modes, strict=True)]
        whole = np.pad(low, [(0, 0), (0, 0), *rest])
        return idctn(whole, axes=range(2, u.ndim), norm="ortho")

    def _apply(self, u: Array, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return (self._low(u) - self.u_mean) @ weights + self.y_mean

    def _low(self, fields: Array) -> NDArray[np.float64]:
        axes = range(2, fields.ndim)
        coefficients = dctn(np.asarray(fields, np.float64), axes=axes, norm="ortho")
        for axis, m in enumerate(self.modes):
            coefficients = coefficients.take(range(m), axis=2 + axis)
        return coefficients.reshape(len(fields), -1)


def roll_out(predictor: Predictor, u: Array, frames: int) -> NDArray[np.floating]:
    """Feeds outputs back as inputs: (n, C_in, *grid) -> (n, frames, C_out, *grid).

    With several frames the inputs are one or more whole frames, the oldest first.
    """
    rolled: list[NDArray[np.floating]] = []
    for _ in range(frames):
        y = predictor.predict(u)
        if frames > 1 and u.shape[1] % y.shape[1]:
            raise ValueError(
                f"a roll-out reads whole frames: {u.shape[1]} inputs, {y.shape[1]} outputs"
            )
        rolled.append(y)
        u = np.concatenate([u[:, y.shape[1] :], y], 1)
    return np.stack(rolled, 1)


def transitions(u: Array, y: Array) -> Fields:
    """Every step of a roll-out as a sample of its own.

    u: (n, C_in, *grid); y: (n, frames, C_out, *grid) -> (n * frames, C_in, *grid) and
    (n * frames, C_out, *grid).
    """
    frames, channels = y.shape[1:3]
    if frames == 1:
        return Fields(u, y[:, 0])
    film = np.concatenate([u, y.reshape(len(y), frames * channels, *y.shape[3:])], 1)
    seen = u.shape[1]
    inputs = [film[:, i * channels : i * channels + seen] for i in range(frames)]
    return Fields(np.concatenate(inputs), np.concatenate([y[:, i] for i in range(frames)]))


def baselines(
    train: Fields, validation: Fields, modes: int, shape: Sequence[int]
) -> dict[str, MeanField | Persistence | Ridge]:
    """Every baseline that can be tested on a grid of `shape`, by name."""
    found: dict[str, MeanField | Persistence | Ridge] = {}
    if tuple(shape) == train.y.shape[2:]:
        found["mean_field"] = MeanField(train)
        found["ridge"] = Ridge(train, validation, modes)
    if train.u.shape[1] % train.y.shape[1] == 0:
        found["persistence"] = Persistence(train.y.shape[1])
    return found
