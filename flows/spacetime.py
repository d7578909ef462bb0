"""SpaceTime: fit companion state-space forecasters beside their rivals, score every window.

series -+-> forecasters -+-> forecasts
        |                +-> forecaster_spectra
        +----------------+-> forecast_errors -+-> forecast_tests
                                              +-> forecast_scores
"""

from pydantic import BaseModel, Field

from data.datasets.series import series_digest
from data.lake import TableRef
from models.spacetime.config import ForecastConfig, ModelConfig, SeriesConfig, TrainConfig
from tasks.pipeline import pipeline
from tasks.produces import results
from tasks.spacetime import (
    Source,
    forecast_errors,
    forecast_scores,
    forecast_tests,
    forecaster_spectra,
    forecasters,
    forecasts,
    series,
)


class CaseConfig(BaseModel, frozen=True, extra="forbid"):
    """One series, and what forecasts it."""

    series: SeriesConfig = Field(default=SeriesConfig(), description="the series and its splits")
    forecast: ForecastConfig = Field(default=ForecastConfig(), description="the forecasters to fit")


class SpaceTimeConfig(CaseConfig, frozen=True, extra="forbid"):
    """Which series to forecast, and by what."""

    files: tuple[CaseConfig, ...] = Field(
        default=(), description="more series, read from files of `folder`"
    )
    folder: str = Field(
        default="",
        description="folder of data sets with ett and monash_tsf; empty leaves `files` out",
    )
    keep_every: int = Field(
        default=1, description="keeps the forecasts of every so many test windows", ge=1
    )


def _ett(
    dataset: str,
    channels: tuple[str, ...],
    horizons: tuple[int, ...],
    *,
    lag: int = 336,
    transform: str = "last",
    seeds: tuple[int, ...] = (0, 1, 2),
    stride: int = 4,
    epochs: int = 12,
    rivals: tuple[str, ...] = (),
) -> CaseConfig:
    """An ETT task as SpaceTime fits on two cores; transforms by validation error."""
    return CaseConfig.model_validate(
        {
            "series": {"dataset": dataset},
            "forecast": {
                "channels": channels,
                "lag": lag,
                "horizons": horizons,
                "seeds": seeds,
                "model": {"transform": transform, "state": 64, "channels": "apart"},
                "train": {"epochs": epochs, "stride": stride, "patience": 6},
                "rivals": rivals,
                "rival_seconds": 240.0,
            },
        }
    )


_ALL = ("arima", "s4d", "lstm", "transformer")
_HORIZONS = (96, 192, 336, 720)
_FILES = (
    _ett("ETTh1", ("OT",), _HORIZONS, rivals=_ALL),
    _ett("ETTh2", ("OT",), _HORIZONS, transform="mean", rivals=("arima",)),
    _ett("ETTh1", (), _HORIZONS, seeds=(0,), stride=16, epochs=8),
)
PROFILES = {
    "quick": SpaceTimeConfig(),
    "standard": SpaceTimeConfig(
        forecast=ForecastConfig(
            lag=336, horizons=(24, 96, 168), seeds=(0, 1, 2), train=TrainConfig(epochs=20)
        ),
        files=_FILES,
        keep_every=24,
    ),
    # Sizes and training of the published commands (table 1).
    "paper": SpaceTimeConfig(
        forecast=(
            published := ForecastConfig(
                lag=336,
                horizons=_HORIZONS,
                seeds=(0,),
                model=ModelConfig(transform="mean", kernels=16, state=64, dropout=0.25),
                train=TrainConfig(
                    epochs=500,
                    patience=20,
                    batch=50,
                    learning_rate=1e-3,
                    warmup=0.02,
                    input_weight=1.0,
                    device="cuda",
                ),
            )
        ),
        files=tuple(
            CaseConfig(
                series=SeriesConfig(dataset=dataset),
                forecast=published.model_copy(update={"channels": ("OT",), "seeds": (0, 1, 2)}),
            )
            for dataset in ("ETTh1", "ETTh2")
        ),
        keep_every=24,
    ),
}


@pipeline("spacetime")
def spacetime(config: SpaceTimeConfig = PROFILES["quick"]) -> TableRef:
    """Series train forecasters; each forecasts every test window; errors are counted and tested."""
    histories: list[TableRef] = []
    fitted = []
    cases = [(CaseConfig(series=config.series, forecast=config.forecast), "")]
    cases += [(case, config.folder) for case in (config.files if config.folder else ())]
    for case, folder in cases:
        source = Source(digest=series_digest(case.series.dataset, folder), folder=folder)
        history = series(case.series, source)
        histories += [] if history in histories else [history]
        fitted += forecasters.submit_each([(history, one) for one in case.forecast.fits()])
    networks = results(fitted)
    shown = forecasts.submit(histories, networks, config.keep_every)
    spectra = forecaster_spectra.submit(networks)
    errors = forecast_errors(histories, networks)
    tests = forecast_tests.submit(errors)
    scores = forecast_scores(errors, networks)
    results([shown, spectra, tests])
    return scores
