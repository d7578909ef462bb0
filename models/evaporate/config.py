"""Settings of the extraction: how many examples, how candidates are made, scored and filtered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Wanted(BaseModel, frozen=True, extra="forbid"):
    """What is wanted of the documents, and how many of them are samples; see CorpusConfig."""

    topic: str
    attributes: tuple[str, ...]
    examples: int
    seed: int
    chunk: int
    direct: int


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """Which documents, what is wanted of them, and which of them are samples."""

    folder: str = Field(
        default="",
        description="folder of text, Markdown, HTML and PDF files; empty: the METADATA files of "
        "the installed Python packages",
    )
    topic: str = Field(
        default="packages",
        description="what the documents are about; the wide table is named after it",
        min_length=1,
        max_length=100,
    )
    attributes: tuple[str, ...] = Field(
        default=(), description="columns wanted; empty: those of the labels, or those found"
    )
    labels: str = Field(
        default="",
        description="CSV file with columns doc_id, attribute, value: examples; more than there are "
        "samples are used to score",
    )
    truth: str = Field(
        default="",
        description="CSV file with columns doc_id, attribute, value: true values that only score",
    )
    examples: int = Field(
        default=10,
        description="samples per source, drawn at random [documents]; the paper's 10",
        ge=1,
    )
    seed: int = Field(default=0, description="seed of the draw", ge=0)
    batch: int = Field(
        default=1000,
        description="documents of a batch, which are read and extracted together [documents]",
        ge=1,
    )
    max_mib: int = Field(default=16, description="largest file that is read [MiB]", ge=1, le=256)
    chunk: int = Field(
        default=3000, description="length of a chunk [characters]; the paper's 3000", ge=100
    )
    direct: int = Field(
        default=0,
        description="documents that a language model reads directly, for comparison [documents]",
        ge=0,
    )

    @property
    def wanted(self) -> Wanted:
        return Wanted(**{name: getattr(self, name) for name in Wanted.model_fields})


class Place(BaseModel, frozen=True, extra="forbid"):
    """Where something is; `digest` says what it is. Where it is does not count in recipes."""

    path: str = Field(exclude=True)
    digest: str = ""


class SplitConfig(BaseModel, frozen=True, extra="forbid"):
    """How a folder is split into sources."""

    sources: int = Field(
        default=0, description="number of sources; 0 finds it [sources]; not in the paper", ge=0
    )
    max_sources: int = Field(
        default=12, description="most sources that are looked for [sources]", ge=1
    )
    documents: int = Field(
        default=600, description="documents that are looked at, at most [documents]", ge=2
    )
    shared: float = Field(
        default=0.1,
        description="a term counts if at least this share of the documents has it [0..1]",
        gt=0,
        le=1,
    )
    apart: float = Field(
        default=0.3,
        description="two groups whose mean documents have a cosine above this are one source "
        "[0..1]; not in the paper",
        gt=0,
        le=1,
    )
    smallest: float = Field(
        default=0.05,
        description="a group with less than this share of the documents joins the one most like it "
        "[0..1]; not in the paper",
        ge=0,
        lt=1,
    )
    seed: int = Field(default=0, description="seed of k-means", ge=0)


class InductionConfig(BaseModel, frozen=True, extra="forbid"):
    """How functions are induced from the examples and which of them may vote (Algorithm 1)."""

    tau: float = Field(
        default=0.9,
        description="above this share of examples with a value an empty answer is an abstention, "
        "at or below it a vote for 'no value' [0..1]; the paper's code has 0.9",
        ge=0,
        le=1,
    )
    abstain: bool = Field(
        default=True,
        description="whether the rule of tau applies; without it every empty answer is a vote for "
        "'no value' (row WS+filter of the paper's Table 4)",
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
    margin: float = Field(
        default=0.15,
        description="functions whose score, one right and one wrong answer added, is this much "
        "below the best one's do not vote [0..1]; not in the paper",
        ge=0,
        le=1,
    )
    max_candidates: int = Field(
        default=240,
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


class SchemaConfig(BaseModel, frozen=True, extra="forbid"):
    """How the attributes are found where none are given."""

    attributes: int = Field(
        default=35, description="attributes kept, the best first; the paper's 35", ge=1
    )
    max_tokens: int = Field(
        default=500, description="length of a list of attributes [tokens]; the paper's 500", ge=16
    )
    share: float = Field(
        default=0.5,
        description="without a model: labels that this share of the samples has are attributes "
        "[0..1]",
        gt=0,
        le=1,
    )


class LabelConfig(BaseModel, frozen=True, extra="forbid"):
    """How the functions' answers become one value a cell."""

    model: Literal["majority", "one-coin", "moments"] = Field(
        default="one-coin",
        description="majority vote, accuracies by expectation-maximisation, or by moments of the "
        "agreements, as MeTaL has them in the paper",
    )
    classes: int = Field(
        default=5, description="values of a document that are told apart; the paper's b = 5", ge=2
    )
    prior_strength: float = Field(
        default=10.0,
        description="votes that a function's score on the samples counts for [votes]; not in the "
        "paper, whose label model does not know the scores",
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
        default=2,
        description="chunks of a sample shown for one attribute; the paper's code: 2",
        ge=1,
    )
    max_tokens: int = Field(
        default=300, description="length of a function [tokens]; the paper's code: 500", ge=16
    )
    max_value_tokens: int = Field(
        default=100, description="length of a value read directly [tokens]; the paper's 100", ge=1
    )


class DriftConfig(BaseModel, frozen=True, extra="forbid"):
    """When a shift is alarming."""

    z: float = Field(default=4.0, description="least shift [standard errors]", gt=0)
    shift: float = Field(default=0.15, description="least shift of a share [0..1]", gt=0, lt=1)
    documents: int = Field(
        default=8, description="documents below which a batch is not judged [documents]", ge=2
    )
    repair: bool = Field(
        default=True,
        description="make new functions for an alarming attribute from samples of its batch",
    )


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """The documents on which functions are timed."""

    folder: str = Field(
        default="", description="folder of documents; empty: METADATA of installed packages"
    )
    documents: int = Field(default=400, ge=1, description="documents at most")
    runs: int = Field(default=3, ge=1, description="runs a median is over")
