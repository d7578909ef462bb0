"""Settings of the operators; defaults are the quick profile (two cores, a minute)."""

from typing import Literal

from pydantic import BaseModel, Field

Selection = Literal["lowest", "energy", "explained"]
Name = Literal["t1", "t1_plus", "t1_u", "fno", "unet", "neuraloperator_fno", "neuraloperator_tfno"]


class ModelConfig(BaseModel, frozen=True, extra="forbid"):
    """Kind and size of one operator."""

    model: Name = Field(default="t1", description="kind of operator")
    modes: int = Field(
        default=16,
        description="coefficients kept along each axis m, at most the grid's points (for an FNO "
        "half of them); the paper's 24 for Navier-Stokes",
        ge=1,
    )
    width: int = Field(
        default=16,
        description="channels W, a U-Net's on its largest image; the paper's 48 for T1, 32 for FNO",
        ge=1,
    )
    layers: int = Field(
        default=4,
        description="layers, a U-Net's image sizes; the paper's 8 for T1, 6 for FNO",
        ge=1,
    )
    hidden: int = Field(default=128, description="width of the output head; the paper's 128", ge=1)
    selection: Selection = Field(
        default="lowest",
        description="which coefficients a T1 keeps: the lowest (the paper's), those of most "
        "energy, or those whose variance the inputs explain best",
    )
    naive: bool = Field(
        default=False, description="FNO's initialisation instead of the variance-preserving one"
    )


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """How an operator is fitted: AdamW on the mean relative L2 error, best validation kept."""

    seconds: float | None = Field(
        default=5.0,
        description="time budget [s] of one fit, which ends when it is used up or all epochs are "
        "done; none in the paper",
        gt=0,
    )
    epochs: int = Field(
        default=100_000, description="most passes over the train samples; the paper's 500", ge=1
    )
    batch: int = Field(default=16, description="samples a step B; the paper's 64", ge=1)
    learning_rate: float = Field(
        default=2e-3, description="peak learning rate; the paper's 1e-3", gt=0, le=1
    )
    weight_decay: float = Field(default=1e-4, description="AdamW's decay; the paper's 1e-4", ge=0)
    shifts: int = Field(
        default=1,
        description="copies of each train sample, moved along (1, -1) on the torus: flows forced "
        "along x + y stay solutions; 1 for other equations and in the paper",
        ge=1,
    )
    mirrored: bool = Field(
        default=False,
        description="four copies of each of those, turned and mirrored as that forcing allows; "
        "false for other equations and in the paper",
    )
    schedule: Literal["cosine", "halving"] = Field(
        default="cosine",
        description="learning rate over the budget: half a cosine, or the paper's halving after "
        "each fifth of it",
    )
    threads: int = Field(default=1, description="processor threads of torch", ge=1)
    checks: int = Field(
        default=40, description="looks at the validation samples, spread over the budget", ge=1
    )
    device: str = Field(default="cpu", description="torch device: cpu or cuda")

    @property
    def copies(self) -> int:
        """Times that each train sample is seen in an epoch."""
        return self.shifts * (4 if self.mirrored else 1)


class SearchConfig(BaseModel, frozen=True, extra="forbid"):
    """Short fits of every operator, the same for all, before its learning rate is chosen."""

    rates: tuple[float, ...] = Field(
        default=(), description="peak learning rates to try; none tried leaves the fit's own"
    )
    seconds: float = Field(default=10.0, description="time of each trial [s]", gt=0)


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """Sizes at which T1 and FNO are timed; both have the same modes, width and layers."""

    grids: tuple[int, ...] = Field(
        default=(64, 128, 256), description="points along each axis of the square grids"
    )
    modes: int = Field(default=24, ge=1, description="modes kept along each axis; the paper's 24")
    width: int = Field(default=32, ge=1, description="channels; the paper's 48 (T1), 32 (FNO)")
    layers: int = Field(default=6, ge=1, description="layers; the paper's 8 (T1), 6 (FNO)")
    batch: int = Field(default=4, ge=1, description="samples a step")
    runs: int = Field(default=5, ge=1, description="runs a median is over")
    threads: int = Field(default=2, ge=1, description="processor threads")
    device: str = Field(default="cpu", description="where both compute: cpu or cuda")
