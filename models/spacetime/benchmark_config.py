"""What is measured of SpaceTime, and how large it is."""

from pydantic import BaseModel, Field

from models.spacetime.config import ModelConfig


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """How large the things are that are measured."""

    kernels: tuple[tuple[int, int], ...] = Field(
        default=((64, 336), (256, 4096)), description="state sizes d and lengths L of kernels"
    )
    count: int = Field(default=128, description="kernels at once; the paper's 128", ge=1)
    growth_count: int = Field(
        default=8, description="kernels of that fit; few, so that all sizes stay in cache", ge=1
    )
    growth_state: int = Field(default=64, description="d where the growth with L is fitted", ge=1)
    growth_lengths: tuple[int, ...] = Field(
        default=(512, 1024, 2048, 4096, 8192, 16384), description="lengths L of that fit"
    )
    lag: int = Field(default=336, description="look-back [steps]; the paper's 336", ge=2)
    horizon: int = Field(default=720, description="reach [steps]; the paper's 720", ge=1)
    batch: int = Field(default=50, description="windows a step; the paper's 50", ge=1)
    network: ModelConfig = Field(
        default=ModelConfig(transform="last", state=64), description="shape of the networks"
    )
    runs: int = Field(default=5, description="runs the medians of kernels are over", ge=1)
    step_runs: int = Field(default=3, description="runs the medians of steps are over", ge=1)
    threads: int = Field(default=1, description="processor threads of torch", ge=1)
