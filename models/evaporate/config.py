"""Settings of the extraction: how many examples, how candidates are made, scored and filtered."""

from __future__ import annotations

from pydantic import BaseModel, Field


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """Which documents are labelled."""

    examples: int = Field(
        default=10,
        description="labelled examples, drawn at random [documents]; the paper's 10",
        ge=1,
    )
    seed: int = Field(default=0, description="seed of the draw", ge=0)


class InductionConfig(BaseModel, frozen=True, extra="forbid"):
    """How functions are induced from the examples and which of them may vote (Algorithm 1)."""

    tau: float = Field(
        default=0.9,
        description="above this share of examples with a value an empty answer is an abstention, "
        "at or below it a vote for 'no value' [0..1]; the paper's code has 0.9",
        ge=0,
        le=1,
    )
    threshold: float = Field(
        default=0.5,
        description="a function is kept if its Text F1 is above this [0..1]; the paper's 0.5",
        ge=0,
        le=1,
    )
    top_functions: int = Field(
        default=10, description="functions that vote, per attribute; the paper's k = 10", ge=1
    )
    max_candidates: int = Field(
        default=120,
        description="functions made per attribute, those with most examples behind them first; "
        "the paper has up to 40",
        ge=1,
    )
    probes: int = Field(
        default=30,
        description="unlabelled documents on which, with the examples, two functions must "
        "differ to count as two [documents]; not in the paper",
        ge=0,
    )


class SandboxConfig(BaseModel, frozen=True, extra="forbid"):
    """What a function written by a language model may use up."""

    seconds: float = Field(
        default=1.0,
        description="wall time a function may take on one document [s]; the paper's 1",
        gt=0,
    )
    memory_mib: int = Field(
        default=1024, description="address space of its process [MiB]; not in the paper", ge=256
    )
    workers: int = Field(
        default=2, description="worker processes that share the documents [processes]", ge=1
    )


class SynthesisConfig(BaseModel, frozen=True, extra="forbid"):
    """How a language model is asked for functions and for its own readings."""

    templates: tuple[Literal["P_A", "P_B"], ...] = Field(
        default=("P_A", "P_B"), description="prompt templates, section 3.2.1", min_length=1
    )
    chunks_per_document: int = Field(
        default=2, description="chunks of a sample shown for one attribute; the paper's code: 2", ge=1
    )
    max_tokens: int = Field(
        default=300, description="length of a function [tokens]; the paper's code: 500", ge=16
    )
    max_value_tokens: int = Field(
        default=100, description="length of a value read directly [tokens]; the paper's 100", ge=1
    )
