"""What to aggregate and what to evaluate."""

from typing import Literal

from pydantic import BaseModel, Field

Ties = Literal["half", "legacy"]
Worst = Literal["minimum", "direction"]
Recompute = Literal["missing", "all"]


class SourceConfig(BaseModel, frozen=True, extra="forbid"):
    """Result files to read."""

    folder: str = Field("", description="folder with HELM, lm-eval or inspect results; '' for none")
    schema_file: str = Field(
        "", description="YAML or JSON schema; '' takes the suite's schema.json, else our own"
    )


class TablesConfig(BaseModel, frozen=True, extra="forbid"):
    """How results become cells and win rates. The defaults are HELM's."""

    worst: Worst = Field(
        "minimum",
        description="worst case over perturbations: HELM's minimum always, or by direction, the "
        "maximum where lower is better (from instances)",
    )
    recompute: Recompute = Field(
        "missing",
        description="whose calibration is computed from instances: all runs' or theirs "
        "that have no stats.json",
    )
    ties: Ties = Field(
        "half", description="ties count half, as since September 2024, or by order as before"
    )
    draws: int = Field(1000, ge=100, le=100_000, description="bootstrap draws [draws]")
    seed: int = Field(0, ge=0, description="random seed of the draws")
