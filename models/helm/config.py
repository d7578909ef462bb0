"""What to aggregate and what to evaluate."""

from typing import Literal

from pydantic import BaseModel, Field

from models.lm.config import ModelConfig

Ties = Literal["half", "legacy"]
Worst = Literal["minimum", "direction"]
Generated = Literal["synthetic_reasoning", "dyck_language", "recall", "open_ended"]
Dataset = Literal["sms_spam", "raft", "wikitext2", "factbook"]
Recompute = Literal["missing", "all"]


class SourceConfig(BaseModel, frozen=True, extra="forbid"):
    """Result files to read."""

    folder: str = Field("", description="folder with HELM, lm-eval or inspect results; '' for none")
    schema_file: str = Field(
        "", description="YAML or JSON schema; '' takes the suite's schema.json, else our own"
    )


class RecomputedConfig(BaseModel, frozen=True, extra="forbid"):
    """What is derived from instances."""

    worst: Worst = Field(description="worst case over perturbations, see TablesConfig")
    recompute: Recompute = Field(description="whose calibration is computed, see TablesConfig")
    all_runs: bool = Field(description="stats of all runs, or of those alone that wrote none")


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
    beyond: bool = Field(
        True,
        description="also what helm-summarize does not compute: means over instances, intervals, "
        "paired tests, groups of ties",
    )
    ties: Ties = Field(
        "half", description="ties count half, as since September 2024, or by order as before"
    )
    draws: int = Field(1000, ge=100, le=100_000, description="bootstrap draws [draws]")
    seed: int = Field(0, ge=0, description="random seed of the draws")

    @property
    def recomputed(self) -> RecomputedConfig:
        """What these tables need of the instances: without going beyond HELM, next to nothing."""
        everything = self.beyond or self.worst == "direction" or self.recompute == "all"
        return RecomputedConfig(worst=self.worst, recompute=self.recompute, all_runs=everything)


class EvaluationConfig(BaseModel, frozen=True, extra="forbid"):
    """Which scenarios are put to which models. Without a model nothing is evaluated."""

    models: tuple[ModelConfig, ...] = Field((), description="language models to evaluate")
    generated: tuple[Generated, ...] = Field(
        ("synthetic_reasoning", "dyck_language", "recall", "open_ended"),
        description="scenarios made by rule, without data",
    )
    data: str = Field(
        "",
        description="folder of data sets for the scenarios below, which are left out without it",
    )
    datasets: tuple[Dataset, ...] = Field(
        ("sms_spam", "raft", "wikitext2", "factbook"), description="data sets taken from `data`"
    )
    raft_tasks: tuple[str, ...] = Field(
        ("ade_corpus_v2", "overruling", "terms_of_service"), description="tasks of RAFT"
    )
    jsonl: tuple[str, ...] = Field(
        (), description="the user's own scenarios: files with a line an instance"
    )
    instances: int = Field(8, ge=1, le=10_000, description="test instances a scenario [instances]")
    seed: int = Field(0, ge=0, description="random seed of instances and perturbations")
    suite: str = Field("headwater-models", min_length=1, description="suite the results belong to")


class BenchmarkConfig(BaseModel, frozen=True, extra="forbid"):
    """What is measured against helm-summarize."""

    suite: str = Field(
        "", description="folder of a suite to replicate, its schema.json in it; empty: none is"
    )
    helm_summarize: str = Field(
        "helm-summarize", description="the program; where it is not found, only sizes are told"
    )
    copies: int = Field(19, ge=1, description="copies of the suite, by models of other names")
    runs: int = Field(3, ge=1, description="timed runs of each side, taken in turn; medians count")
