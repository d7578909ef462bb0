"""Tables of SpaceTime: a series, the forecasters fitted to it, their forecasts and errors."""

from datetime import datetime

from data.lake.contract import Contract, column

_MODELS = (
    "last_value",
    "seasonal_naive",
    "lag_mean",
    "ridge",
    "arima",
    "spacetime",
    "s4d",
    "lstm",
    "transformer",
    "nlinear",
    "dlinear",
    "patchtst",
    "nhits",
)


class Series(
    Contract,
    table="series",
    unique=("dataset", "time", "channel"),
    partition=("dataset",),
):
    """A time series in long form, cut in time into train, validation and test rows."""

    dataset: str = column("name of the series")
    time: datetime = column("end of the step (UTC), evenly spaced")
    channel: str = column("name of the variable")
    value: float = column("what was measured, in the data set's own unit (temperatures: deg F)")
    split: str = column("part the row belongs to", isin=("train", "validation", "test"))


class Forecasters(
    Contract,
    table="forecasters",
    unique=("dataset", "target", "model", "lag", "horizon", "seed"),
    partition=("dataset", "target", "lag", "horizon", "fit", "seed"),
):
    """Every fitted forecaster with its weights, one fit a snapshot: SpaceTime and its baselines."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast; 'all' when one forecaster does several")
    fit: str = column("what was fitted together: closed_forms, or a model's name")
    model: str = column("name of the forecaster", isin=_MODELS)
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    seed: int = column("random seed of weights and batches; 0 where nothing is random", ge=0)
    parameters: int = column("trained numbers", ge=0)
    epochs: int = column("passes over the train windows; 0 for closed forms", ge=0)
    train_seconds: float | None = column(
        "wall time of fitting; null where nothing is fitted", unit="s", ge=0
    )
    epoch_seconds: float | None = column(
        "wall time of one epoch, validation included; null without epochs", unit="s", ge=0
    )
    validation_mse: float = column(
        "mean squared error on standardised data over all validation windows", ge=0
    )
    weights: bytes | None = column("the fitted arrays as safetensors; null for naive rules")
    radius: list[float] = column(
        "half widths of the first intervals on standardised data, by step and channel in C order: "
        "conformal over the validation windows; they follow the outcomes from then on"
    )
    config: str = column("settings of the fit, FitConfig as JSON")


class ForecasterTrials(
    Contract,
    table="forecaster_trials",
    unique=("dataset", "target", "horizon", "lag", "transform", "learning_rate", "origin"),
    partition=("dataset", "target", "horizon", "lag", "transform", "learning_rate"),
):
    """Fits that choose a setting of SpaceTime: at rolling origins, all before the test rows."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast; 'all' when one forecaster does several")
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    lag: int = column("look-back that was tried", unit="steps", ge=1)
    transform: str = column("input transform that was tried", isin=("mean", "last", "seasonal"))
    learning_rate: float = column("peak learning rate that was tried", gt=0)
    origin: int = column("which origin, 1 the earliest; each has validation rows of its own", ge=1)
    seed: int = column("random seed of weights and batches", ge=0)
    validation_mse: float = column(
        "mean squared error on standardised data over all validation windows of the origin", ge=0
    )
    epochs: int = column("passes over the train windows", ge=1)
    train_seconds: float = column("time of fitting", unit="s", ge=0)


class Forecasts(
    Contract,
    table="forecasts",
    unique=("dataset", "task", "target", "model", "lag", "horizon", "seed", "origin", "step"),
):
    """Forecasts of test windows by every forecaster: all windows, or every few of them.

    Scores count every window whatever is kept here: see forecast_errors.
    """

    dataset: str = column("name of the series")
    task: str = column("'all' where one forecaster does all channels, else the channel")
    target: str = column("channel forecast")
    model: str = column("name of the forecaster", isin=_MODELS)
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    seed: int = column("random seed of the forecaster", ge=0)
    origin: datetime = column("time of the last row the forecaster saw (UTC)")
    step: int = column("steps after the origin, 1 to horizon", unit="steps", ge=1)
    time: datetime = column("time that is forecast (UTC)")
    y: float = column("what was measured, in the series' own unit")
    yhat: float = column("what was forecast, in the series' own unit")
    lower: float = column("lower end of the prediction interval, in the series' own unit")
    upper: float = column("upper end of the prediction interval, in the series' own unit")
    scale: float = column(
        "standard deviation of the channel over the train rows, in the series' own unit; "
        "(y - yhat) / scale is the error on standardised data",
        gt=0,
    )


class ForecastErrors(
    Contract,
    table="forecast_errors",
    unique=("dataset", "task", "target", "model", "lag", "horizon", "seed", "origin"),
):
    """Errors of every forecaster in every test window (stride 1, none dropped)."""

    dataset: str = column("name of the series")
    task: str = column("'all' where one forecaster does all channels, else the channel")
    target: str = column("channel forecast")
    model: str = column("name of the forecaster", isin=_MODELS)
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    seed: int = column("random seed of the forecaster", ge=0)
    origin: datetime = column("time of the last row the forecaster saw (UTC)")
    mse: float = column("mean squared error over the window, on standardised data", ge=0)
    mae: float = column("mean absolute error over the window, on standardised data", ge=0)
    coverage: float = column("share of its steps inside the prediction interval", ge=0, le=1)
    width: float = column("mean width of the intervals, on standardised data", ge=0)


class ForecastScores(
    Contract,
    table="forecast_scores",
    unique=("dataset", "target", "model", "lag", "horizon", "seed"),
):
    """Error of every forecaster on standardised data, over all test windows and steps."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast; 'all' for the mean over several")
    model: str = column("name of the forecaster", isin=_MODELS)
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    seed: int = column("random seed of the forecaster", ge=0)
    n_windows: int = column("test windows scored: all there are", ge=1)
    mse: float = column("mean squared error on standardised data", ge=0)
    mae: float = column("mean absolute error on standardised data", ge=0)
    coverage: float = column("share of outcomes inside the prediction intervals", ge=0, le=1)
    intended_coverage: float = column("share the intervals were made to hold", gt=0, lt=1)
    width: float = column("mean width of the intervals, on standardised data", ge=0)
    parameters: int = column("trained numbers", ge=0)
    train_seconds: float | None = column(
        "wall time of fitting; null where nothing is fitted", unit="s", ge=0
    )
    epoch_seconds: float | None = column(
        "wall time of one epoch, validation included; null without epochs", unit="s", ge=0
    )


class ForecastTests(
    Contract,
    table="forecast_tests",
    unique=("dataset", "target", "rival", "lag", "horizon", "metric"),
):
    """SpaceTime against each rival on the same windows: Diebold and Mariano's test, two-sided."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast; 'all' for the mean over several")
    rival: str = column("forecaster that SpaceTime is compared with", isin=_MODELS)
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    metric: str = column("loss of a window, mean over seeds", isin=("mse", "mae"))
    n_windows: int = column("test windows compared", ge=1)
    spacetime: float = column("SpaceTime's mean loss", ge=0)
    rival_loss: float = column("the rival's mean loss", ge=0)
    difference: float = column("SpaceTime's loss less the rival's; below 0 SpaceTime is better")
    statistic: float | None = column("difference over its standard error; null if that is unknown")
    degrees: int = column("degrees of freedom: about how many windows do not overlap", ge=0)
    p_value: float | None = column("two-sided; null if the standard error is unknown", ge=0, le=1)
    verdict: str = column("win or loss at the 5 % level, else level", isin=("win", "level", "loss"))


class ForecasterSpectra(
    Contract,
    table="forecaster_spectra",
    unique=("dataset", "target", "lag", "horizon", "seed", "layer", "kernel", "root"),
):
    """Eigenvalues of every companion matrix that SpaceTime has learned."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast; 'all' when one forecaster does several")
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    seed: int = column("random seed of the forecaster", ge=0)
    layer: str = column("state-space layer, as in the network")
    kernel: int = column("number of the state space in the layer", ge=0)
    root: int = column("number of the eigenvalue, the largest modulus first", ge=0)
    real: float = column("real part")
    imaginary: float = column("imaginary part")
    modulus: float = column("distance from 0: 1 remembers for ever, below 1 it fades", ge=0)


class ClassificationScores(
    Contract,
    table="classification_scores",
    unique=("dataset", "model", "seed"),
    partition=("dataset",),
):
    """Accuracy of SpaceTime's encoder with a classifier's head, beside simple classifiers."""

    dataset: str = column("name of the labelled series")
    model: str = column(
        "name of the classifier",
        isin=("majority", "nearest_neighbour", "logistic_regression", "spacetime"),
    )
    seed: int = column("random seed; 0 where nothing is random", ge=0)
    accuracy: float = column("share of test series given their label", ge=0, le=1)
    n_train: int = column("train series, those that validate included", ge=1)
    n_test: int = column("test series: all there are", ge=1)
    channels: int = column("values a step", ge=1)
    classes: int = column("labels there are", ge=2)
    parameters: int | None = column("trained numbers; null for baselines", ge=0)
    epochs: int | None = column("passes over the train series; null for baselines", ge=0)
    train_seconds: float | None = column("time of fitting; null for baselines", unit="s", ge=0)


class UserSeries(
    Contract, table="user_series", unique=("source", "group", "position"), partition=("source",)
):
    """Series out of a user's file, repaired: evenly spaced, without gaps."""

    source: str = column("file and column they come from")
    group: str = column("which of the file's series; empty where there is one")
    position: int = column("row, 0 the first value", unit="steps", ge=0)
    time: datetime | None = column("time of the row (UTC); null where rows are only counted")
    value: float | None = column("value, in the file's unit; null in the future")
    filled: bool = column("true where the file had no value and it was interpolated")
    covariates: list[float] | None = column(
        "covariates of the row, the calendar's last; null where they are not known"
    )
    season: int = column("period of the series", unit="steps", ge=1)


class UserForecasts(
    Contract,
    table="user_forecasts",
    unique=("source", "group", "model", "step"),
    partition=("source",),
):
    """Forecasts beyond the end of a user's series, by every forecaster; one of them is chosen."""

    source: str = column("file and column they continue")
    group: str = column("which of the file's series; empty where there is one")
    model: str = column("name of the forecaster", isin=_MODELS)
    chosen: bool = column("true for the forecaster with the smallest validation error")
    validation_mse: float = column(
        "mean squared error on standardised data, over the validation windows of all groups", ge=0
    )
    step: int = column("steps after the last value, 1 to the horizon", unit="steps", ge=1)
    time: datetime | None = column("time that is forecast (UTC); null where rows are only counted")
    yhat: float = column("forecast, in the file's unit")
    lower: float = column("lower end of the prediction interval")
    upper: float = column("upper end of the prediction interval")
