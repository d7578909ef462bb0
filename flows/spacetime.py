"""SpaceTime: fit companion state-space forecasters beside their baselines, score every window.

series -+-> forecasters -+-> forecasts -> forecast_scores
        +----------------+
"""

from pydantic import BaseModel, Field

from data.datasets.hourly import hourly_temperatures_digest
from data.lake import TableRef
from models.spacetime.config import ForecastConfig, ModelConfig, SeriesConfig, TrainConfig
from tasks.pipeline import pipeline
from tasks.spacetime import forecast_scores, forecasters, forecasts, series


class SpaceTimeConfig(BaseModel, frozen=True, extra="forbid"):
    """Which series to forecast, and by what."""

    series: SeriesConfig = Field(default=SeriesConfig(), description="the series and its splits")
    forecast: ForecastConfig = Field(default=ForecastConfig(), description="the forecasters to fit")


PROFILES = {
    "quick": SpaceTimeConfig(),
    "standard": SpaceTimeConfig(
        forecast=ForecastConfig(
            lag=336, horizons=(24, 96, 168), seeds=(0, 1, 2), train=TrainConfig(epochs=20)
        ),
    ),
    # Sizes and training of the published commands (table 1), on the series at hand.
    "paper": SpaceTimeConfig(
        forecast=ForecastConfig(
            lag=336,
            horizons=(96, 192, 336, 720),
            seeds=(0,),
            model=ModelConfig(transform="mean", kernels=16, state=64, dropout=0.25),
            train=TrainConfig(
                epochs=500,
                patience=20,
                batch=50,
                learning_rate=1e-3,
                warmup=0.02,
                input_weight=1.0,
            ),
        ),
    ),
}


@pipeline("spacetime")
def spacetime(config: SpaceTimeConfig = PROFILES["quick"]) -> TableRef:
    """A series trains forecasters; each forecasts every test window; errors are counted."""
    history = series(config.series, hourly_temperatures_digest(config.series.dataset))
    fitted = forecasters(history, config.forecast)
    predicted = forecasts(history, fitted)
    return forecast_scores(predicted, fitted)
