"""The learning rate of a fit, chosen among a few by equally short fits on the validation split."""

from __future__ import annotations

from typing import NamedTuple

from models.progress import Progress, silent
from models.t1.config import ModelConfig, SearchConfig, TrainConfig
from models.t1.symmetries import Fields
from models.t1.train import DivergenceError, train_operator


class Trial(NamedTuple):
    """A short fit with one peak learning rate; without steps and error where it diverged."""

    learning_rate: float
    steps: int | None
    validation_l2: float | None


def try_rates(
    train: Fields,
    validation: Fields,
    model: ModelConfig,
    config: TrainConfig,
    *,
    search: SearchConfig,
    seed: int,
    progress: Progress = silent,
) -> list[Trial]:
    """One trial for every rate of the search, each with its time and otherwise as the fit will be.

    The schedule is that of a whole fit within the trial's time. Raises ValueError when training
    diverges with every rate.
    """
    trials: list[Trial] = []
    for done, rate in enumerate(search.rates):
        progress(done, len(search.rates))
        given = config.model_copy(update={"learning_rate": rate, "seconds": search.seconds})
        try:
            _, course = train_operator(train, validation, model, given, seed)
            trials.append(Trial(rate, course.steps, course.best))
        except DivergenceError:
            trials.append(Trial(rate, None, None))
    progress(len(search.rates), len(search.rates))
    if all(trial.validation_l2 is None for trial in trials):
        raise ValueError(f"{model.model} diverged with all of {search.rates}: try lower rates")
    return trials


def best_rate(trials: list[Trial]) -> float:
    """The learning rate of the smallest validation error among trials that did not diverge."""
    errors = {
        trial.learning_rate: trial.validation_l2
        for trial in trials
        if trial.validation_l2 is not None
    }
    return min(errors, key=lambda rate: (errors[rate], rate))
