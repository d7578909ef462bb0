"""SpaceTime: fit companion state-space forecasters beside their rivals, score every window.

series -+-> forecaster_trials -+
        +----------------------+-> forecasters -+-> forecasts
        |                                       +-> forecaster_spectra
        +---------------------------------------+-> forecast_errors -+-> forecast_tests
                                                                     +-> forecast_scores
labelled series -> classification_scores
"""

from pydantic import BaseModel, Field

from data.datasets.labelled import labelled_digest
from data.datasets.series import series_digest
from data.lake import TableRef
from models.spacetime.classifier_config import ClassifierConfig
from models.spacetime.config import (
    ModelConfig,
    SearchConfig,
    SeriesConfig,
    SettingConfig,
    TrainConfig,
)
from models.spacetime.forecast_config import ForecastConfig
from tasks.pipeline import pipeline
from tasks.produces import results
from tasks.series_labels import classification_scores
from tasks.spacetime import (
    Source,
    forecast_errors,
    forecast_scores,
    forecast_tests,
    forecaster_spectra,
    forecaster_trials,
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
    labelled: tuple[ClassifierConfig, ...] = Field(
        default=(),
        description="labelled series to classify; they lie in the package sktime, which needs "
        "none of its dependencies for that",
    )
    labelled_seeds: tuple[int, ...] = Field(
        default=(0, 1, 2), description="random seeds of the classifiers", min_length=1
    )
    keep_every: int = Field(
        default=1, description="keeps the forecasts of every so many test windows", ge=1
    )


# Tried at rolling origins before the test rows: one thing changed at a time.
_SETTINGS = tuple(
    SettingConfig(lag=lag, transform=transform, learning_rate=rate)
    for lag, transform, rate in (
        (336, "last", 3e-3),
        (336, "mean", 3e-3),
        (720, "mean", 3e-3),
        (336, "mean", 1e-3),
    )
)


def _ett(dataset: str, *, rivals: tuple[str, ...] = (), slow: tuple[str, ...] = ()) -> CaseConfig:
    """The oil temperature of an ETT file on two cores, by the setting that validates best."""
    return CaseConfig.model_validate(
        {
            "series": {"dataset": dataset},
            "forecast": {
                "channels": ("OT",),
                "lag": 336,
                "horizons": _HORIZONS,
                "seeds": (11, 12, 13),
                "model": {"transform": "mean", "state": 64},
                "train": {"epochs": 12, "stride": 4, "patience": 6},
                "rivals": rivals,
                "rivals_at_shortest": slow,
                "rival_seconds": 90.0,
                "search": SearchConfig(settings=_SETTINGS),
            },
        }
    )


_HORIZONS = (96, 192, 336, 720)
_FILES = (
    _ett(
        "ETTh1",
        rivals=("nlinear", "dlinear"),
        slow=("arima", "s4d", "lstm", "transformer", "nhits"),
    ),
    _ett("ETTh2"),
    CaseConfig(
        series=SeriesConfig(dataset="ETTh1"),
        forecast=ForecastConfig(
            lag=336,
            horizons=_HORIZONS,
            seeds=(0,),
            model=ModelConfig(transform="last", state=64, channels="apart"),
            train=TrainConfig(epochs=4, stride=8, batch=16, patience=4),
        ),
    ),
)
PROFILES = {
    "quick": SpaceTimeConfig(),
    "standard": SpaceTimeConfig(
        forecast=ForecastConfig(horizons=(24, 168), rivals_at_shortest=("arima",)),
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
        asked, origins = case.forecast, case.forecast.search.origins
        tried = results(
            forecaster_trials.submit_each([(history, one, origins) for one in asked.tried()])
        )
        fitted += forecasters.submit_each([(history, one, tried) for one in asked.fits()])
    labels = classification_scores.submit_each(
        [(one, config.labelled_seeds, labelled_digest(one.dataset)) for one in config.labelled]
    )
    networks = results(fitted)
    shown = forecasts.submit(histories, networks, config.keep_every)
    spectra = forecaster_spectra.submit(networks)
    errors = forecast_errors(histories, networks)
    tests = forecast_tests.submit(errors)
    scores = forecast_scores(errors, networks)
    results([shown, spectra, tests, *labels])
    return scores
