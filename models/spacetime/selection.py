"""Look-back, input transform and learning rate, chosen by rolling origins before the test rows.

One validation split of a few months holds only some horizons that do not overlap, all of one
season: choosing by it alone is choosing by chance. Here the rows before the test split are cut
into equal blocks; origin after origin trains on all blocks before one and validates on that one
(Tashman, International Journal of Forecasting 16, 2000). On ETT three such blocks are a whole year.
Test rows are cut off before anything is fitted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from models.progress import Progress, silent
from models.spacetime.config import FitConfig, SettingConfig
from models.spacetime.train import train_network
from models.spacetime.windows import History


class Trial(NamedTuple):
    """One fit of one setting at one origin."""

    setting: SettingConfig
    origin: int  # 1: the earliest
    validation_mse: float  # on standardised data
    epochs: int
    train_seconds: float


def rolling_origins(history: History, count: int) -> list[History]:
    """`count` series that each end where the next block begins and validate on their last block.

    Raises ValueError when the rows before the test split are too few for the blocks.
    """
    block = history.validation_end // (count + 1)
    if block < 1:
        raise ValueError(f"{history.validation_end} rows are too few for {count} origins")
    found = []
    for origin in range(1, count + 1):
        end = history.validation_end - (count - origin) * block
        cut = replace(history, times=history.times[:end], values=history.values[:end])
        found.append(replace(cut, train_end=end - block, validation_end=end))
    return found


def try_setting(
    history: History,
    config: FitConfig,
    origins: int,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> list[Trial]:
    """Fits the network of `config` at every origin, the earliest first.

    folder: where fits keep their states. Progress counts origins. Raises ValueError when a block
    holds no window, or training diverges.
    """
    setting = SettingConfig(
        lag=config.lag,
        transform=config.network.transform,
        learning_rate=config.train.learning_rate,
    )
    found = []
    for origin, part in enumerate(rolling_origins(history.only(config.channels), origins), start=1):
        train, validation = (
            part.windows(split, config.lag, config.horizon) for split in ("train", "validation")
        )
        kept = None if folder is None else folder / f"origin{origin}"
        if kept is not None:
            kept.mkdir(exist_ok=True)
        fitted = train_network(train, validation, config, folder=kept)
        found.append(
            Trial(setting, origin, fitted.validation_mse, fitted.epochs, fitted.train_seconds)
        )
        progress(origin, origins)
    return found


def best_setting(trials: Iterable[Trial]) -> SettingConfig:
    """The setting with the smallest geometric mean of its errors, so that no origin outweighs.

    Of equal ones the first that was tried. Raises ValueError without trials, or when settings were
    not tried at the same origins.
    """
    errors: dict[SettingConfig, dict[int, float]] = defaultdict(dict)
    for trial in trials:
        errors[trial.setting][trial.origin] = trial.validation_mse
    if not errors:
        raise ValueError("no setting was tried: there is none to choose")
    if len({tuple(sorted(of)) for of in errors.values()}) > 1:
        raise ValueError("settings must be tried at the same origins to be compared")
    return min(errors, key=lambda setting: sum(map(math.log, errors[setting].values())))
