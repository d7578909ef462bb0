"""Sizes and recipes of the reasoning head; imports fast, so that forms and plans can show it."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

Trunk = Literal["attention", "hyena", "h3"]


class HeadConfig(BaseModel, frozen=True, extra="forbid"):
    """Size and token layout of one reasoning head; the defaults are the preset `TINY`."""

    width_in: int = Field(default=4, description="coordinates D of a point; paper: 16", ge=1)
    points: int = Field(
        default=34,
        description="longest sequence, examples and query; a longer one is refused; paper: 258",
        ge=1,
    )
    layers: int = Field(default=3, description="Transformer blocks; paper: 12", ge=1)
    heads: int = Field(default=2, description="heads H of attention or H3; paper: 8", ge=1)
    width: int = Field(default=64, description="width of the trunk; paper: 256", ge=1)
    tokens: Literal["paired", "interleaved"] = Field(
        default="paired",
        description="paired: examples are (x, label), queries (x, 0) and unseen by others; "
        "interleaved: x and (label, 0 .. 0) in turn; paper: interleaved",
    )
    positions: Literal["none", "learned"] = Field(
        default="none", description="embedding of a token's place; paper: learned"
    )
    attention: Literal["context", "causal"] = Field(
        default="context",
        description="context: examples see all examples, whatever their order; causal: those "
        "before them; paper: causal",
    )
    trunk: Trunk = Field(
        default="attention",
        description="what mixes tokens; hyena and h3 are causal and take interleaved tokens; "
        "paper: attention",
    )
    activation: Literal["relu2", "gelu"] = Field(
        default="relu2", description="of the perceptrons: relu(u)^2 or GPT-2's; paper: gelu"
    )

    @model_validator(mode="after")
    def _divides(self) -> "HeadConfig":
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got {self.width} / {self.heads}")
        ordered = self.tokens == "interleaved" or self.positions == "learned"
        if self.attention == "context" and ordered:
            raise ValueError(
                "attention 'context' reads a set of examples: it needs tokens 'paired' and "
                "positions 'none'; for others set attention to 'causal'"
            )
        if self.trunk != "attention" and (self.attention, self.tokens) != ("causal", "interleaved"):
            raise ValueError(
                f"trunk '{self.trunk}' reads a sequence from its beginning: set attention to "
                "'causal' and tokens to 'interleaved'"
            )
        return self


# The authors' three sizes (their "tiny", "small", "standard"), with the paper's token layout in the
# last, which is the head they released.
TINY = HeadConfig()
SMALL = HeadConfig(width_in=16, points=65, layers=6, heads=4, width=128)
STANDARD = HeadConfig(
    width_in=16,
    points=258,
    layers=12,
    heads=8,
    width=256,
    tokens="interleaved",
    positions="learned",
    attention="causal",
    activation="gelu",
)


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """The optimisation of a head."""

    steps: int = Field(default=700, description="optimisation steps; paper: 24000 to 35001", ge=1)
    learning_rate: float = Field(
        default=5e-3, description="peak learning rate of Adam; paper: 1e-4", gt=0
    )
    matrix_learning_rate: float | None = Field(
        default=0.02,
        description="peak learning rate of Muon for the trunk's matrices; paper: null, all by Adam",
        gt=0,
    )
    warmup: int = Field(
        default=20, description="steps of linear growth of the learning rate; paper: 0", ge=0
    )
    schedule: Literal["cosine", "constant", "trapezoid"] = Field(
        default="cosine",
        description="learning rate after the warm-up; trapezoid: at its peak until the last "
        "`decay` steps, then a straight line to 0; paper: constant",
    )
    decay: int = Field(
        default=0, description="last steps of a trapezoid; a run can be lengthened before", ge=0
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="number format of matrix products; weights stay in float32; paper: float32",
    )
    clip: float | None = Field(
        default=1.0, description="largest norm of the gradient; paper: null, no clipping", gt=0
    )
    targets: Literal["probabilities", "labels"] = Field(
        default="probabilities",
        description="what the loss compares with: sigmoid(x . w) or the sample; paper: labels",
    )
    log_every: int = Field(default=50, description="steps a row of the training table", ge=1)
    seed: int = Field(default=0, description="seed of the initial weights", ge=0)
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where to train; paper: cuda")
    threads: int = Field(
        default=1,
        description="processor threads; part of the recipe because sums round differently by it, "
        "and 1 because matrices this small lose more than they gain on shared cores",
        ge=1,
    )


# Adam at 1e-4 on sampled labels, as in the authors' training script; the evaluated head is that of
# step 24000. A batch of 128 belongs to the stream's configuration.
PAPER_RECIPE = TrainConfig(
    steps=24000,
    learning_rate=1e-4,
    matrix_learning_rate=None,
    warmup=0,
    schedule="constant",
    clip=None,
    targets="labels",
    log_every=100,
    device="cuda",
)


class ScoresConfig(BaseModel, frozen=True, extra="forbid"):
    """What is scored on synthetic problems."""

    examples: tuple[int, ...] = Field(
        default=(1, 4, 8, 16, 32),
        description="few-shot examples k; paper: 18, 32, 48, 64, 128, 256",
        min_length=1,
    )

    @model_validator(mode="after")
    def _positive(self) -> "ScoresConfig":
        if min(self.examples) < 1:
            raise ValueError(f"numbers of examples k must be at least 1, got {self.examples}")
        return self


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """How large the things are that are measured."""

    shots: int = Field(default=64, description="examples of one call of the head", ge=2)
    queries: int = Field(default=1000, description="queries of that call", ge=1)
    runs: int = Field(default=5, description="calls of each side, in turn", ge=1)
    examples: int = Field(default=8, description="examples of the leave-one-out prompts", ge=2)
    loo_runs: int = Field(default=1, description="runs of each side of that, in turn", ge=1)
    threads: int = Field(default=2, description="processor threads", ge=1)
