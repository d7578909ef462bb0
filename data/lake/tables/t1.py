"""Tables of T1: operator data, the operators fitted to them, their scores, spectra and fields."""

from data.lake.contract import Contract, column

_SPLITS = ("train", "validation", "test")
_MODEL = "name of the operator or baseline"
_COPIES = "copies of each train sample by symmetries of the equation; 1 without"


class OperatorData(
    Contract,
    table="operator_data",
    unique=("dataset", "resolution", "split", "sample"),
    partition=("dataset", "resolution", "split", "shard"),
):
    """Samples of solution operators: inputs and outputs on a grid, one shard a snapshot."""

    dataset: str = column("name of the data set: its equation with its numbers")
    pde: str = column("equation, in one word")
    resolution: int = column("points along the first grid axis", ge=1)
    split: str = column("part the sample belongs to", isin=_SPLITS)
    shard: int = column("number of the first sample of the shard", ge=0)
    sample: int = column("number of the sample within its split", ge=0)
    seed: int = column("seed of the data set; 0 where it was read from files", ge=0)
    viscosity: float | None = column(
        "nu; null where the equation has none", unit="length^2 / time", ge=0
    )
    final_time: float | None = column("time from input to output or to the last frame", ge=0)
    dt: float | None = column("time step of the solver; null where none stepped", gt=0)
    solver: str = column("what made the output: method, number format, grid")
    grid: list[int] = column("points along each grid axis")
    frames: int = column("outputs in time, each the next input; 1 where there is one map", ge=1)
    u: list[float] = column("input: channel, then the grid in C order")
    y: list[float] = column("output: frame, channel, then the grid in C order")
    solver_ms: float | None = column(
        "time the solver took a sample, mean of its batch; null where unknown", unit="ms", ge=0
    )


class Operators(
    Contract,
    table="operators",
    unique=("dataset", "resolution", "model", "modes", "width", "layers", "copies", "seed"),
    partition=("dataset", "resolution", "model", "modes", "width", "layers", "copies", "seed"),
):
    """Every fitted operator with its weights and the course of its fit, one a snapshot."""

    dataset: str = column("name of the data set")
    resolution: int = column("points along the first grid axis while training", ge=1)
    model: str = column(_MODEL)
    modes: int = column("coefficients kept along each axis", ge=1)
    width: int = column("channels inside", ge=1)
    layers: int = column("layers, or image sizes of a U-Net", ge=1)
    copies: int = column(_COPIES, ge=1)
    seed: int = column("random seed of weights and batches", ge=0)
    learning_rate: float = column("peak learning rate, the best of the trials if any", gt=0)
    train_samples: int = column("samples trained on; frames count each, copies do not", ge=1)
    parameters: int = column("trained numbers", ge=0)
    steps: int = column("optimiser steps", ge=0)
    train_seconds: float = column(
        "time of the fit's steps: processor time of the one thread at work, wall "
        "time with several or on a GPU",
        unit="s",
        ge=0,
    )
    validation_l2: float = column("relative L2 error over the validation samples", ge=0)
    look_seconds: list[float] = column("time of each look at the validation samples", unit="s")
    train_course: list[float] = column("mean relative L2 error of the steps before each look")
    validation_course: list[float] = column("relative L2 error over validation at each look")
    kept: str = column("coefficients kept along each axis as JSON; empty for networks on the grid")
    config: str = column("settings of the model as JSON")
    weights: bytes = column("scales and weights as safetensors")


class OperatorTrials(
    Contract,
    table="operator_trials",
    unique=(
        "dataset",
        "resolution",
        "model",
        "modes",
        "width",
        "layers",
        "copies",
        "learning_rate",
    ),
    partition=("dataset", "resolution", "model", "modes", "width", "layers", "copies"),
):
    """Short fits, equal for all operators, that choose learning rates on the validation split."""

    dataset: str = column("name of the data set")
    resolution: int = column("points along the first grid axis", ge=1)
    model: str = column(_MODEL)
    modes: int = column("coefficients kept along each axis", ge=1)
    width: int = column("channels inside", ge=1)
    layers: int = column("layers, or image sizes of a U-Net", ge=1)
    copies: int = column(_COPIES, ge=1)
    seed: int = column("random seed of weights and batches", ge=0)
    learning_rate: float = column("peak learning rate tried", gt=0)
    steps: int | None = column("optimiser steps; null where training diverged", ge=0)
    seconds: float = column("time the trial was given", unit="s", gt=0)
    validation_l2: float | None = column(
        "relative L2 error over the validation samples; null where training diverged", ge=0
    )
    chosen: bool = column("whether it is the rate of the fits")


class OperatorScores(
    Contract,
    table="operator_scores",
    unique=("dataset", "model", "modes", "width", "layers", "copies", "resolution", "seed"),
):
    """Relative L2 error of every operator and baseline over all test samples."""

    dataset: str = column("name of the data set")
    pde: str = column("equation, in one word")
    viscosity: float | None = column("nu; null where there is none", unit="length^2 / time", ge=0)
    model: str = column(_MODEL)
    modes: int = column("coefficients kept along each axis; 0 for baselines without", ge=0)
    width: int = column("channels inside; 0 for baselines", ge=0)
    layers: int = column("layers; 0 for baselines", ge=0)
    copies: int = column(_COPIES, ge=1)
    trained_resolution: int = column("points along the first grid axis while training", ge=1)
    resolution: int = column("points along the first grid axis of the test", ge=1)
    seed: int = column("random seed of the operator; 0 where nothing is random", ge=0)
    n_test: int = column("test samples scored: all there are", ge=1)
    frames: int = column("frames rolled out; the error is the mean over them", ge=1)
    relative_l2: float = column("mean over samples, frames, channels of ||yhat - y|| / ||y||", ge=0)
    last_frame_l2: float = column("the same of the last frame alone", ge=0)
    truncation_floor: float | None = column(
        "relative L2 error of the kept coefficients of the truth itself; null where all are kept",
        ge=0,
    )
    parameters: int = column("trained numbers", ge=0)
    train_seconds: float | None = column("time of the fit; null where nothing is", unit="s", ge=0)
    inference_ms: float | None = column("time a test sample, median over batches", unit="ms", ge=0)
    solver_ms: float | None = column("what the solver took a sample", unit="ms", ge=0)
    break_even_solves: float | None = column(
        "solves after which making the data, the fit and predicting cost less than solving; null "
        "where predicting is no faster or the solver's time unknown",
        ge=0,
    )


class OperatorSpectra(
    Contract,
    table="operator_spectra",
    unique=("dataset", "model", "modes", "width", "layers", "copies", "resolution", "seed", "mode"),
):
    """Error and truth of the test samples by DCT mode, of every operator on its own grid."""

    dataset: str = column("name of the data set")
    model: str = column(_MODEL)
    modes: int = column("coefficients kept along each axis", ge=0)
    width: int = column("channels inside", ge=0)
    layers: int = column("layers", ge=0)
    copies: int = column(_COPIES, ge=1)
    resolution: int = column("points along the first grid axis", ge=1)
    seed: int = column("random seed of the operator", ge=0)
    mode: int = column("largest of the coefficient's numbers along the axes", ge=0)
    error: float = column("root of the mean squared error in these coefficients", ge=0)
    truth: float = column("root of the truth's mean square in these coefficients", ge=0)


class OperatorFields(
    Contract,
    table="operator_fields",
    unique=(
        "dataset",
        "resolution",
        "model",
        "modes",
        "width",
        "layers",
        "copies",
        "seed",
        "sample",
    ),
):
    """Input, truth and prediction of a few test samples, chosen by rank of T1's error."""

    dataset: str = column("name of the data set")
    resolution: int = column("points along the first grid axis", ge=1)
    model: str = column(_MODEL)
    modes: int = column("coefficients kept along each axis", ge=0)
    width: int = column("channels inside", ge=0)
    layers: int = column("layers", ge=0)
    copies: int = column(_COPIES, ge=1)
    seed: int = column("random seed of the operator", ge=0)
    sample: int = column("number of the test sample", ge=0)
    rank: float = column("share of the test samples with a smaller error", ge=0, le=1)
    relative_l2: float = column("this model's error of this sample's field", ge=0)
    grid: list[int] = column("points along each grid axis")
    u: list[float] = column("first input channel, in C order")
    y: list[float] = column("truth: first channel of the last frame")
    yhat: list[float] = column("prediction of it")
