"""Settings of the SpaceTime forecasters; defaults are the quick profile (two cores, a minute)."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

# A network of SpaceTime's width, one of neuralforecast, or ARIMA.
Rival = Literal["arima", "s4d", "lstm", "transformer", "nlinear", "dlinear", "patchtst", "nhits"]


class SplitConfig(BaseModel, frozen=True, extra="forbid"):
    """Cuts a series in time into train, validation and test rows."""

    train: float = Field(
        default=0.7, description="share of the rows that train [0..1]; the paper's 0.7", gt=0, lt=1
    )
    test: float = Field(
        default=0.2, description="share of the rows that test [0..1]; the paper's 0.2", gt=0, lt=1
    )

    @model_validator(mode="after")
    def _leaves_validation_rows(self) -> Self:
        if self.train + self.test >= 1:
            raise ValueError("train + test must be below 1, so that rows are left to validate")
        return self


class SeriesConfig(BaseModel, frozen=True, extra="forbid"):
    """Which series to forecast and where its splits lie."""

    dataset: Literal[
        "seattle_temps",
        "sf_temps",
        "west_coast_temps",
        "ETTh1",
        "ETTh2",
        "saugeenday",
        "sunspot",
        "us_births",
        "m4_hourly",
    ] = Field(
        default="seattle_temps", description="name of the series; the paper's main one is ETTh1"
    )
    split: SplitConfig = Field(
        default=SplitConfig(),
        description="shares of train and test rows; ETT and m4_hourly have their published rows",
    )


class ModelConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of the SpaceTime network; its width is channels * kernels * heads."""

    transform: Literal["mean", "last", "seasonal"] = Field(
        default="seasonal",
        description="what is subtracted from a window: its lag mean (the paper's), its last "
        "value, or the value one season before",
    )
    kernels: int = Field(
        default=4, description="companion state spaces a channel; the paper's 16", ge=1
    )
    heads: int = Field(default=8, description="repeats of each state space; the paper's 8", ge=1)
    state: int = Field(default=32, description="state size d; the paper's 64", ge=1)
    blocks: int = Field(default=1, description="encoder blocks; the paper's 1", ge=1)
    max_average: int = Field(
        default=64, description="longest fixed moving average [steps]; the paper's 64", ge=5
    )
    dropout: float = Field(
        default=0.0, description="dropout probability; the paper's 0.25", ge=0, lt=1
    )
    channels: Literal["mixed", "apart"] = Field(
        default="mixed",
        description="whether one forecast reads all channels, or one network forecasts each "
        "channel from itself alone; the paper's tasks have one",
    )


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """How the network is fitted: AdamW, linear warm-up, cosine decay, early stop."""

    epochs: int = Field(
        default=5, description="most passes over the train windows; the paper's 500", ge=1
    )
    patience: int = Field(
        default=5,
        description="epochs without a better validation error before it stops; the paper's 20",
        ge=1,
    )
    batch: int = Field(default=64, description="windows a step B; the paper's 50", ge=1)
    stride: int = Field(
        default=1,
        description="rows between the starts of an epoch's train windows, whose first start is "
        "drawn anew every epoch; the paper's 1",
        ge=1,
    )
    learning_rate: float = Field(
        default=3e-3, description="peak learning rate; the paper's 1e-3", gt=0, le=1
    )
    weight_decay: float = Field(default=1e-4, description="AdamW's decay; the paper's 1e-4", ge=0)
    warmup: float = Field(
        default=0.1,
        description="share of the steps that warm up [0..1]; the paper's 10 epochs",
        ge=0,
        lt=1,
    )
    seconds: float | None = Field(
        default=None,
        description="most time of a fit [s], of one processor if it has one thread; null: no end",
        gt=0,
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="where the network is fitted; the paper's cuda"
    )
    threads: int = Field(
        default=1,
        description="processor threads of torch; its last digits depend on them, and steps as "
        "small as the quick profile's only lose by sharing a busy machine",
        ge=1,
    )
    lag_weight: float = Field(
        default=1.0, description="weight of the open-loop error over the lag; the paper's 1", ge=0
    )
    input_weight: float = Field(
        default=0.1,
        description="weight of the error of the predicted next inputs; the paper's 1",
        ge=0,
    )


class SettingConfig(BaseModel, frozen=True, extra="forbid"):
    """What of a network's fit is chosen by trials."""

    lag: int = Field(description="look-back [steps]; the paper's 336", ge=2)
    transform: Literal["mean", "last", "seasonal"] = Field(
        description="what is subtracted from a window; the paper's mean"
    )
    learning_rate: float = Field(description="peak learning rate; the paper's 1e-3", gt=0, le=1)


class SearchConfig(BaseModel, frozen=True, extra="forbid"):
    """Trials of settings on rows before the test split; without settings nothing is tried."""

    settings: tuple[SettingConfig, ...] = Field(
        default=(), description="what is tried at the longest horizon; none: as configured"
    )
    origins: int = Field(
        default=3, description="rolling origins, each with its own validation rows", ge=1
    )
    seed: int = Field(
        default=100, description="random seed of the trials; none of the final fits'", ge=0
    )


class FitConfig(BaseModel, frozen=True, extra="forbid"):
    """One forecaster to fit, or all closed forms together, for one look-back and horizon."""

    model: Literal["closed_forms", "spacetime"] | Rival = Field(
        default="closed_forms", description="what is fitted"
    )
    channels: tuple[str, ...] = Field(
        default=(), description="variables to forecast, each from all; none given means all"
    )
    lag: int = Field(description="look-back [steps]", ge=2)
    horizon: int = Field(description="reach of the forecasts [steps]", ge=1)
    season: int = Field(default=24, description="period of the series [steps]", ge=1)
    seed: int = Field(default=0, description="random seed of weights and batches", ge=0)
    coverage: float = Field(
        default=0.9, description="share of outcomes that intervals should hold [0..1]", gt=0, lt=1
    )
    tracking: float = Field(
        default=0.005,
        description="how fast intervals follow the outcomes [share of their width a step]",
        ge=0,
        lt=1,
    )
    penalties: tuple[float, ...] = Field(
        default=(), description="ridge penalties tried on the validation windows"
    )
    network: ModelConfig = Field(default=ModelConfig(), description="shape of a network")
    train: TrainConfig = Field(default=TrainConfig(), description="how a network is fitted")

    def with_setting(self, setting: SettingConfig) -> Self:
        """The same fit with this look-back, transform and learning rate."""
        network = self.network.model_copy(update={"transform": setting.transform})
        train = self.train.model_copy(update={"learning_rate": setting.learning_rate})
        return self.model_copy(update={"lag": setting.lag, "network": network, "train": train})
