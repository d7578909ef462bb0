"""Tables of SpaceTime: a series, the forecasters fitted to it, their forecasts and errors."""

from datetime import datetime

from data.lake.contract import Contract, column

_MODELS = ("last_value", "seasonal_naive", "lag_mean", "ridge", "spacetime")


class Series(Contract, table="series", unique=("dataset", "time", "channel")):
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
):
    """Every fitted forecaster with its weights: SpaceTime, one a seed, and its baselines."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast; 'all' when one forecaster does several")
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
    config: str = column("settings of the fit, ForecastConfig as JSON")


class Forecasts(
    Contract,
    table="forecasts",
    unique=("dataset", "target", "model", "lag", "horizon", "seed", "origin", "step"),
):
    """Every forecaster's forecast of every test window (stride 1, none dropped)."""

    dataset: str = column("name of the series")
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
    scale: float = column(
        "standard deviation of the channel over the train rows, in the series' own unit; "
        "(y - yhat) / scale is the error on standardised data",
        gt=0,
    )


class ForecastScores(
    Contract,
    table="forecast_scores",
    unique=("dataset", "target", "model", "lag", "horizon", "seed"),
):
    """Error of every forecaster on standardised data, over all test windows and steps."""

    dataset: str = column("name of the series")
    target: str = column("channel forecast")
    model: str = column("name of the forecaster", isin=_MODELS)
    lag: int = column("look-back", unit="steps", ge=1)
    horizon: int = column("reach of the forecast", unit="steps", ge=1)
    seed: int = column("random seed of the forecaster", ge=0)
    n_windows: int = column("test windows scored: all there are", ge=1)
    mse: float = column("mean squared error on standardised data", ge=0)
    mae: float = column("mean absolute error on standardised data", ge=0)
    parameters: int = column("trained numbers", ge=0)
    train_seconds: float | None = column(
        "wall time of fitting; null where nothing is fitted", unit="s", ge=0
    )
    epoch_seconds: float | None = column(
        "wall time of one epoch, validation included; null without epochs", unit="s", ge=0
    )
