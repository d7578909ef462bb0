"""What is asked of a forecast beyond the end of series."""

from pydantic import BaseModel, Field


class FutureConfig(BaseModel, frozen=True, extra="forbid"):
    """A forecast of what comes after the end of series."""

    horizon: int = Field(default=24, description="steps to forecast", ge=1)
    season: int | None = Field(
        default=None, description="period of the series [steps]; null: as its step suggests", ge=1
    )
    coverage: float = Field(
        default=0.9, description="share of outcomes that intervals should hold [0..1]", gt=0, lt=1
    )
    calendar: bool = Field(
        default=False, description="whether hour, weekday and month explain the series first"
    )
    seconds: float = Field(default=40.0, description="most time the network may train [s]", gt=0)
    seed: int = Field(default=0, description="random seed of weights and batches", ge=0)
