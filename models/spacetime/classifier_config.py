"""Settings of SpaceTime's classifier of whole series."""

from typing import Literal

from pydantic import BaseModel, Field

from models.spacetime.config import ModelConfig


class ClassifierConfig(BaseModel, frozen=True, extra="forbid"):
    """A data set of labelled series, and how a classifier is fitted to it."""

    dataset: Literal[
        "JapaneseVowels", "BasicMotions", "ItalyPowerDemand", "GunPoint", "ArrowHead", "OSULeaf"
    ] = Field(
        default="JapaneseVowels", description="labelled series; the paper's are ECG and speech"
    )
    network: ModelConfig = Field(
        default=ModelConfig(kernels=1, heads=8, state=16, blocks=2, max_average=8, dropout=0.1),
        description="shape of the encoder; its input transform is not used. One block mixes "
        "channels only after its GELU, so that it takes two to see how they go together",
    )
    epochs: int = Field(default=60, description="most passes; the paper's 100 to 200", ge=1)
    patience: int = Field(
        default=20, description="epochs without a smaller validation loss before it stops", ge=1
    )
    batch: int = Field(default=32, description="series a step B", ge=1)
    learning_rate: float = Field(default=4e-3, description="peak learning rate", gt=0, le=1)
    weight_decay: float = Field(default=1e-2, description="AdamW's decay", ge=0)
    validation: float = Field(
        default=0.2, description="share of each class's train series that validate", gt=0, lt=1
    )
    threads: int = Field(default=1, description="processor threads of torch", ge=1)
