"""Steps of T1: operators fitted to operator data, their scores, spectra and fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, Field

from data.lake import TableRef
from data.lake.tables import CONTRACTS
from models.t1.config import ModelConfig, SearchConfig, TrainConfig
from tasks.produces import produces, scratch
from tasks.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from data.datasets.operators import OperatorSet
    from models.t1.baselines import Predictor

_SIZES = ("model", "modes", "width", "layers")
_OPERATOR = (*_SIZES, "copies", "seed")
_RIDGE_MODES = 16  # lowest coefficients along each axis that the linear baseline reads and writes
_SHOWN_RANKS = (0.1, 0.5, 0.9)


class FitConfig(BaseModel, frozen=True, extra="forbid"):
    """One operator to fit: what it is and how."""

    model: ModelConfig = Field(default=ModelConfig(), description="kind and size")
    train: TrainConfig = Field(default=TrainConfig(), description="optimisation")
    seed: int = Field(default=0, description="seed of weights and batches", ge=0)


@produces("operator_trials", version=1)
def operator_trials(data: Sequence[TableRef], config: FitConfig, search: SearchConfig) -> pa.Table:
    """Short fits of one operator with every learning rate of the search, equal for all."""
    from models.t1.baselines import transitions
    from models.t1.search import best_rate, try_rates

    [found] = _sets(data)
    trials = try_rates(
        transitions(*found.samples("train")),
        transitions(*found.samples("validation")),
        config.model,
        config.train,
        search=search,
        seed=config.seed,
        progress=progress_bar(f"learning rates of {config.model.model} on {found.name}"),
    )
    chosen = best_rate(trials)
    constant = _fit_key(found, config) | {"seconds": search.seconds}
    return pa.Table.from_pylist(
        [constant | t._asdict() | {"chosen": t.learning_rate == chosen} for t in trials],
        schema=CONTRACTS["operator_trials"].arrow_schema(),
    )


@produces("operators", version=1)
def operators(data: Sequence[TableRef], trials: Sequence[TableRef], config: FitConfig) -> pa.Table:
    """One operator fitted to the train samples of one data set, with the course of its fit.

    Its learning rate is the best of its trials, or that of the configuration if there are none.
    """
    from models.t1.baselines import transitions
    from models.t1.operator import parameter_count, to_bytes
    from models.t1.train import train_operator

    [found] = _sets(data)
    rates = [row["learning_rate"] for ref in trials for row in ref.read().to_pylist()
             if row["chosen"]]  # fmt: skip
    given = config.train.model_copy(update={"learning_rate": rates[0]} if rates else {})
    train = transitions(*found.samples("train"))
    operator, course = train_operator(
        train,
        transitions(*found.samples("validation")),
        config.model,
        given,
        config.seed,
        folder=scratch(),
        progress=progress_bar(f"fitting {config.model.model} to {found.name}, seed {config.seed}"),
    )
    row = _fit_key(found, config) | {
        "learning_rate": given.learning_rate,
        "train_samples": len(train.u),
        "parameters": parameter_count(operator),
        "steps": course.steps,
        "train_seconds": course.seconds,
        "validation_l2": course.best,
        "look_seconds": course.at,
        "train_course": course.train,
        "validation_course": course.validation,
        "kept": json.dumps(operator.kept),
        "config": config.model.model_dump_json(),
        "weights": to_bytes(operator),
    }
    return pa.Table.from_pylist([row])


@produces("operator_scores", version=1)
def operator_scores(data: Sequence[TableRef], operators: Sequence[TableRef]) -> pa.Table:
    """Relative L2 error of operators and baselines over all test samples, and what they cost."""
    from models.t1.modes import truncation_floor
    from models.t1.scores import break_even_solves, score_operator

    rows = []
    for found in _sets(data):
        for grid in found.test_grids:
            u, y = found.samples("test", grid)
            for tested in _contestants(found, operators, grid):
                score = score_operator(tested.predictor, u, y)
                last = y[:, -1]
                solver_ms = found.solver_ms(grid)
                rows.append(
                    {
                        "dataset": found.name,
                        "pde": found.pde,
                        "viscosity": found.viscosity,
                        **tested.key,
                        "trained_resolution": found.resolution,
                        "resolution": grid,
                        "n_test": len(u),
                        "frames": y.shape[1],
                        "relative_l2": score.relative_l2,
                        "last_frame_l2": score.last_frame_l2,
                        "truncation_floor": (
                            truncation_floor(last, tested.kept) if tested.kept else None
                        ),
                        "parameters": tested.parameters,
                        "train_seconds": tested.train_seconds,
                        "inference_ms": score.inference_ms,
                        "solver_ms": solver_ms,
                        "break_even_solves": (
                            None
                            if solver_ms is None or tested.train_seconds is None
                            else break_even_solves(
                                found.data_seconds, tested.train_seconds, solver_ms,
                                score.inference_ms,
                            )
                        ),
                    }
                )  # fmt: skip
    return pa.Table.from_pylist(rows)


@produces("operator_spectra", version=1)
def operator_spectra(data: Sequence[TableRef], operators: Sequence[TableRef]) -> pa.Table:
    """Error and truth of the test samples by DCT mode, of every operator and baseline."""
    from models.t1.baselines import roll_out
    from models.t1.scores import by_mode

    parts = []
    for found in _sets(data):
        u, y = found.samples("test")
        for tested in _contestants(found, operators, found.resolution):
            error, truth = by_mode(roll_out(tested.predictor, u, y.shape[1]), y)
            constant = {"dataset": found.name, "resolution": found.resolution, **tested.key}
            parts.append(
                pa.table(
                    {name: pa.repeat(value, len(error)) for name, value in constant.items()}
                    | {"mode": range(len(error)), "error": error, "truth": truth}
                )
            )
    return pa.concat_tables(parts)


@produces("operator_fields", version=1)
def operator_fields(data: Sequence[TableRef], operators: Sequence[TableRef]) -> pa.Table:
    """Input, truth and prediction of three test samples, by rank of the first operator's error."""
    import numpy as np

    from models.t1.baselines import roll_out
    from models.t1.scores import relative_errors

    rows: list[dict[str, Any]] = []
    for found in _sets(data):
        u, y = found.samples("test")
        numbers = found.numbers("test")
        order: NDArray[np.integer] | None = None
        drawn: set[str] = set()
        for tested in _contestants(found, operators, found.resolution):
            if tested.key["model"] in drawn:  # one seed is enough to look at
                continue
            drawn.add(tested.key["model"])
            prediction = roll_out(tested.predictor, u, y.shape[1])
            errors = relative_errors(prediction, y)[:, -1]
            order = np.argsort(errors, kind="stable") if order is None else order
            for rank in _SHOWN_RANKS:
                i = int(order[round(rank * (len(order) - 1))])
                rows.append(
                    {
                        "dataset": found.name,
                        "resolution": found.resolution,
                        **tested.key,
                        "sample": numbers[i],
                        "rank": rank,
                        "relative_l2": float(errors[i]),
                        "grid": list(u.shape[2:]),
                        "u": u[i, 0].ravel(),
                        "y": y[i, -1, 0].ravel(),
                        "yhat": np.asarray(prediction[i, -1, 0], np.float64).ravel(),
                    }
                )
    return pa.Table.from_pylist(rows)


def _fit_key(found: OperatorSet, config: FitConfig) -> dict[str, Any]:
    """What tells a fit from others of the same data set, and which that is."""
    return {
        "dataset": found.name,
        "resolution": found.resolution,
        **{name: getattr(config.model, name) for name in _SIZES},
        "copies": config.train.copies,
        "seed": config.seed,
    }


class _Contestant(NamedTuple):
    """An operator or a baseline, ready to be tested."""

    key: dict[str, Any]  # the columns of _OPERATOR
    predictor: Predictor
    parameters: int
    train_seconds: float | None = None
    kept: tuple[tuple[int, ...], ...] = ()


def _contestants(
    found: OperatorSet, operators: Sequence[TableRef], resolution: int
) -> Iterator[_Contestant]:
    """Operators fitted to a data set, in the order given, then its baselines."""
    from models.t1.baselines import baselines, transitions
    from models.t1.operator import from_bytes

    u, y = found.samples("test", found.resolution)
    channels, shape = (u.shape[1], y.shape[2]), u.shape[2:]
    for row in (row for ref in operators for row in ref.read().to_pylist()):
        if row["dataset"] == found.name:
            kept = tuple(tuple(axis) for axis in json.loads(row["kept"]))
            config = ModelConfig.model_validate_json(row["config"])
            fitted = from_bytes(row["weights"], config, channels, shape, kept)
            key = {name: row[name] for name in _OPERATOR}
            yield _Contestant(key, fitted, row["parameters"], row["train_seconds"], kept)
    train, validation = (transitions(*found.samples(split)) for split in ("train", "validation"))
    grid = found.samples("test", resolution)[0].shape[2:]
    for name, simple in baselines(train, validation, _RIDGE_MODES, grid).items():
        key = {"model": name, "modes": 0, "width": 0, "layers": 0, "copies": 1, "seed": 0}
        yield _Contestant(key, simple, simple.parameters)


def _sets(data: Sequence[TableRef]) -> Iterator[OperatorSet]:
    from data.datasets.operators import operator_sets

    return operator_sets([ref.read() for ref in data])
