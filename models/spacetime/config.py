"""Settings of the SpaceTime forecasters; defaults are the quick profile (two cores, a minute)."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator


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

    dataset: Literal["seattle_temps", "sf_temps", "west_coast_temps"] = Field(
        default="seattle_temps", description="name of the series; the paper's main one is ETTh1"
    )
    split: SplitConfig = Field(default=SplitConfig(), description="shares of train and test rows")


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
        default=1, description="rows between the starts of train windows; the paper's 1", ge=1
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


class ForecastConfig(BaseModel, frozen=True, extra="forbid"):
    """The forecasters to fit: SpaceTime and its baselines, on the very same windows."""

    lag: int = Field(default=168, description="look-back [steps]; the paper's 336", ge=2)
    horizons: tuple[int, ...] = Field(
        default=(24,),
        description="reaches of the forecasts [steps]; the paper's 96 to 720",
        min_length=1,
    )
    season: int = Field(
        default=24, description="period of the series [steps]; 24 for hourly data", ge=1
    )
    seeds: tuple[int, ...] = Field(
        default=(0, 1),
        description="random seeds of SpaceTime, one model each; the paper's 0",
        min_length=1,
    )
    penalties: tuple[float, ...] = Field(
        default=(1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4),
        description="ridge penalties tried on the validation windows; not in the paper",
        min_length=1,
    )
    model: ModelConfig = Field(default=ModelConfig(), description="shape of the network")
    train: TrainConfig = Field(default=TrainConfig(), description="how the network is fitted")

    @model_validator(mode="after")
    def _lag_holds_what_the_models_read(self) -> Self:
        if self.lag < self.season:
            raise ValueError(f"lag {self.lag} must hold a whole season of {self.season} steps")
        inputs = self.lag - (self.season if self.model.transform == "seasonal" else 0)
        if inputs <= self.model.state:
            raise ValueError(
                f"lag {self.lag} leaves {inputs} inputs; the loss needs more than the "
                f"state size {self.model.state}"
            )
        if min(self.horizons) < 1:
            raise ValueError(f"horizons must be at least 1 step, got {self.horizons}")
        return self
