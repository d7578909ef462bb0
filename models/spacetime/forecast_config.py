"""Which forecasters of a series are fitted: SpaceTime, its baselines and its rivals."""

from typing import Self

from pydantic import BaseModel, Field, model_validator

from models.spacetime.config import FitConfig, ModelConfig, Rival, SearchConfig, TrainConfig


class ForecastConfig(BaseModel, frozen=True, extra="forbid"):
    """The forecasters to fit: SpaceTime and its baselines, on the very same windows."""

    channels: tuple[str, ...] = Field(
        default=(), description="variables to forecast, each from all; none given means all"
    )
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
    coverage: float = Field(
        default=0.9,
        description="share of outcomes that intervals should hold [0..1]; none in the paper",
        gt=0,
        lt=1,
    )
    model: ModelConfig = Field(default=ModelConfig(), description="shape of the network")
    train: TrainConfig = Field(default=TrainConfig(), description="how the network is fitted")
    rivals: tuple[Rival, ...] = Field(
        default=(),
        description="more baselines: networks of the same width and depth, fitted alike with the "
        "first seed, those of neuralforecast in their own sizes (need `forecast-peers`), and an "
        "ARIMA chosen by AICc (needs `peers`)",
    )
    rivals_at_shortest: tuple[Rival, ...] = Field(
        default=(), description="more of them at the shortest horizon only, where they cost least"
    )
    rival_seconds: float | None = Field(
        default=None, description="most time of a rival network's fit [s]", gt=0
    )
    search: SearchConfig = Field(
        default=SearchConfig(), description="how look-back, transform and rate are chosen"
    )

    def tried(self) -> list[FitConfig]:
        """One fit of SpaceTime for every setting of the search, at the longest horizon."""
        longest = FitConfig(
            model="spacetime",
            channels=self.channels,
            lag=self.lag,
            horizon=max(self.horizons),
            season=self.season,
            seed=self.search.seed,
            network=self.model,
            train=self.train,
        )
        return [longest.with_setting(setting) for setting in self.search.settings]

    def fits(self) -> list[FitConfig]:
        """Every fit this asks for, the closed forms of each horizon first."""
        found = []
        brief = self.train.model_copy(update={"seconds": self.rival_seconds})
        for horizon in self.horizons:
            rivals = self.rivals
            if horizon == min(self.horizons):
                rivals += self.rivals_at_shortest
            networks = [("spacetime", seed, self.train) for seed in self.seeds]
            networks += [(rival, self.seeds[0], brief) for rival in rivals if rival != "arima"]
            one = FitConfig(
                channels=self.channels,
                lag=self.lag,
                horizon=horizon,
                season=self.season,
                coverage=self.coverage,
                penalties=self.penalties,
            )
            found.append(one)
            if "arima" in rivals:
                found.append(one.model_copy(update={"model": "arima", "penalties": ()}))
            found += [
                one.model_copy(
                    update={
                        "model": model,
                        "seed": seed,
                        "penalties": (),
                        "network": self.model,
                        "train": train,
                    }
                )
                for model, seed, train in networks
            ]
        return found

    @model_validator(mode="after")
    def _fits_are_possible_and_differ(self) -> Self:
        asked = [(self.lag, self.model.transform)]
        asked += [(setting.lag, setting.transform) for setting in self.search.settings]
        for lag, transform in asked:
            if lag < self.season:
                raise ValueError(f"lag {lag} must hold a whole season of {self.season} steps")
            inputs = lag - (self.season if transform == "seasonal" else 0)
            if inputs <= self.model.state:
                raise ValueError(
                    f"lag {lag} leaves {inputs} inputs; the loss needs more than the "
                    f"state size {self.model.state}"
                )
        if self.search.settings and self.search.seed in self.seeds:
            raise ValueError(f"seed {self.search.seed} chooses settings: take others to fit them")
        rivals = self.rivals + self.rivals_at_shortest
        for rival in rivals:
            if rivals.count(rival) > 1:
                raise ValueError(f"{rival} stands twice among the rivals: name each once")
        if min(self.horizons) < 1:
            raise ValueError(f"horizons must be at least 1 step, got {self.horizons}")
        return self
