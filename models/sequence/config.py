"""Settings of layers, backbones and their training; defaults are the quick profile (two cores)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, PositiveInt

Kind = Literal[
    "attention", "h3", "s4d", "hyena", "hyena_se", "hyena_mr", "conv1d", "long_conv"
]  # fmt: skip
Metric = Literal["accuracy", "exact", "perplexity", "mse"]


class SsmConfig(BaseModel, frozen=True, extra="forbid"):
    """The state spaces of H3 and S4D."""

    head_dim: int = Field(default=1, ge=1, description="H3's width of a head d_h")
    modes: int = Field(
        default=32, ge=1, description="complex modes N of the diagonal SSM; the paper's 32"
    )
    shift: int = Field(default=64, ge=1, description="taps of H3's shift SSM; the paper's 64")
    discretisation: Literal["bilinear", "zoh"] = Field(
        default="bilinear", description="from continuous to discrete time; H3's bilinear"
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, description="highest rate of the SSM's own numbers; the paper's 1e-3"
    )


class HyenaConfig(BaseModel, frozen=True, extra="forbid"):
    """The Hyena operator; kinds with an explicit filter use its taps."""

    order: int = Field(
        default=2, ge=2, description="gates, one more than long filters, as the code counts"
    )
    features: int = Field(
        default=5, ge=3, description="size of the positional features, odd; the code's 33 for text"
    )
    filter_width: int = Field(default=64, ge=1, description="width of the filter's FFN; 64")
    filter_depth: int = Field(default=4, ge=2, description="linear maps of that FFN; 4")
    frequency: float = Field(
        default=10.0, gt=0, description="w of sin(w x) at first; 14 for text, 10 for recall"
    )
    short: int = Field(default=3, ge=1, description="taps after the projections; 3")
    short_taps: int = Field(default=7, ge=1, description="taps of hyena_se; StripedHyena 2's 7")
    medium_taps: int = Field(
        default=128, ge=1, description="taps of hyena_mr; StripedHyena 2's 128"
    )
    conv1d_taps: int = Field(default=64, ge=1, description="taps of the baseline conv1d; 64")


class LongConvConfig(BaseModel, frozen=True, extra="forbid"):
    """Convolutions whose kernel itself is the parameter."""

    channels: int = Field(default=2, ge=1, description="kernels a channel C; the code's 2")
    start: Literal["random", "geometric"] = Field(
        default="random", description="initialisation of the kernels"
    )
    squash: float = Field(
        default=0.003, ge=0, description="lambda of the squash operator; the paper's .001 to .003"
    )
    smooth: int = Field(
        default=0, ge=0, description="p of the smooth operator's 2 p + 1 taps; 0 does nothing"
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="share of a kernel's taps dropped; .1 to .3"
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, description="highest rate of the kernels; the paper's 1e-4 to 1e-3"
    )
    bidirectional: bool = Field(
        default=False, description="a second kernel for later inputs: for classification only"
    )


class BackboneConfig(BaseModel, frozen=True, extra="forbid"):
    """A stack of pre-norm blocks: a mixer, then an MLP. One entry of `pattern` is one layer."""

    pattern: tuple[Kind, ...] = Field(
        default=("h3", "h3"), min_length=1, description="mixers, first layer first"
    )
    width: int = Field(default=32, ge=1, description="channels D")
    mlp: int = Field(default=128, ge=0, description="width inside the MLP; 0 leaves it out")
    heads: int = Field(default=1, ge=1, description="heads H of attention")
    longest: int = Field(default=512, ge=1, description="longest input L [tokens]")
    positions: bool = Field(
        default=False, description="learned positions added to the input, for attention"
    )
    vocabulary: int = Field(
        default=20, ge=0, description="input tokens V; 0: inputs are vectors of `channels` numbers"
    )
    channels: int = Field(default=1, ge=1, description="numbers a step where V is 0")
    outputs: int = Field(default=20, ge=1, description="logits or numbers predicted a position")
    tied: bool = Field(default=False, description="whether the head is the embedding; needs V")
    pool: bool = Field(
        default=False, description="one output an input, from the mean over its positions"
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout after the embedding; .1")
    residual_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="dropout of what blocks add"
    )
    ssm: SsmConfig = Field(default=SsmConfig(), description="H3 and S4D")
    hyena: HyenaConfig = Field(default=HyenaConfig(), description="Hyena and its short kin")
    long: LongConvConfig = Field(default=LongConvConfig(), description="long convolutions")


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """How a backbone is fitted: AdamW, linear warm-up, cosine decay."""

    epochs: float = Field(default=100.0, gt=0, description="passes over the train examples; 200")
    batch: int = Field(default=32, ge=1, description="examples a step B, of all processes; 32")
    learning_rate: float = Field(default=5e-4, gt=0, le=1, description="peak rate; 5e-4")
    weight_decay: float = Field(default=0.1, ge=0, description="AdamW's decay; .1")
    beta2: float = Field(default=0.98, gt=0, lt=1, description="AdamW's second beta; .98")
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="share of the steps the rate rises over; .1"
    )
    floor: float = Field(default=0.0, ge=0, le=1, description="share of the peak at the end; .1")
    clip: float = Field(default=1.0, gt=0, description="largest norm of a gradient")
    lengthenings: int = Field(
        default=0, ge=0, le=8,
        description="length warm-up: inputs begin at 2^-n of their length and double n times "
        "within the first half of the steps",
    )  # fmt: skip
    stop_at: float | None = Field(
        default=None, description="metric on the validation examples that ends training early"
    )
    checks: int = Field(default=10, ge=1, description="looks at the validation examples")
    threads: int = Field(default=1, ge=1, description="processor threads of torch")
    device: str = Field(default="cpu", description="torch device: cpu or cuda")
    amp: bool = Field(default=False, description="bfloat16 where it is safe; for CUDA")


Case = Literal["overhead", "core", "layer", "state_passing", "memory", "generation", "online"]


class ConvBenchmark(BaseModel, frozen=True, extra="forbid"):
    """Sizes at which convolutions are measured."""

    cases: tuple[Case, ...] = Field(
        default=("overhead", "core", "layer", "state_passing", "memory", "generation", "online"),
        description="comparisons, in this order",
    )
    width: int = Field(default=64, ge=1, description="channels D of operators")
    lengths: tuple[int, ...] = Field(
        default=(64, 1024, 4096), description="L of our operator against the bare transform"
    )
    core_lengths: tuple[int, ...] = Field(
        default=(1024, 4096), description="L of the operator against attention; the paper's 65536"
    )
    layer_lengths: tuple[int, ...] = Field(
        default=(512, 2048), description="L of layers; the paper's 8192"
    )
    layer_width: int = Field(default=256, ge=1, description="channels D of layers")
    ssm_length: int = Field(default=4096, ge=1, description="L of state spaces; 16384")
    memory_length: int = Field(default=16384, ge=1, description="L of the memory case; 65536")
    prompt: int = Field(default=256, ge=1, description="tokens of the prompt; the paper's 1024")
    tokens: tuple[PositiveInt, ...] = Field(
        default=(16,), min_length=1, description="tokens generated, each a row; the paper's 128"
    )
    generation_batch: int = Field(default=16, ge=1, description="prompts; the paper's 64")
    generation_layers: int = Field(
        default=4,
        ge=2,
        description="layers; of the hybrid one is attention, as of the released 125M",
    )
    online_length: int = Field(default=512, ge=1, description="steps of the shorter online run")
    runs: int = Field(default=3, ge=1, description="runs a median is over")
    threads: int = Field(default=2, ge=1, description="processor threads")
    device: str = Field(default="cpu", description="where everything computes: cpu or cuda")
