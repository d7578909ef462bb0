"""What a table of results shows: metrics, groups of metrics, groups of runs.

The form is HELM's: its YAML and the schema.json that helm-summarize leaves beside the runs are read
as they are. `DEFAULT` is our own, for runs that come without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

Strategy = Literal["win_rate", "mean"]


class Named(BaseModel, frozen=True):
    """Anything with a name to print. Keys beyond these are HELM's own and not needed here."""

    name: str
    display_name: str | None = None
    short_display_name: str | None = None
    description: str | None = None
    lower_is_better: bool | None = None

    @property
    def label(self) -> str:
        return self.short_display_name or self.display_name or self.name


class Matcher(BaseModel, frozen=True):
    """Which stat of a run a column shows; `${main_name}` and the like stand for the run group's."""

    name: str
    split: str
    sub_split: str | None = None
    perturbation_name: str | None = None

    def substituted(self, environment: Mapping[str, str]) -> Matcher:
        """With the run group's variables put in; drops the sub-split, as HELM does."""
        return Matcher(
            name=_filled(self.name, environment),
            split=_filled(self.split, environment),
            perturbation_name=self.perturbation_name
            and _filled(self.perturbation_name, environment),
        )


class MetricGroup(Named, frozen=True):
    """Metrics that one table shows."""

    metrics: tuple[Matcher, ...] = ()
    hide_win_rates: bool | None = None
    aggregation_strategies: tuple[Strategy, ...] | None = None

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        if self.aggregation_strategies is not None:
            return self.aggregation_strategies
        return () if self.hide_win_rates else ("win_rate",)


class RunGroup(Named, frozen=True):
    """Runs that are shown together, directly or through subgroups."""

    metric_groups: tuple[str, ...] = ()
    subgroups: tuple[str, ...] = ()
    sub_splits: tuple[str, ...] | None = None
    subgroup_display_mode: Literal["by_metric", "by_group"] = "by_metric"
    subgroup_metric_groups_hidden: tuple[str, ...] = ()
    environment: Mapping[str, str] = Field(default_factory=dict)
    category: str = "Scenarios"
    visibility: Literal["all_groups", "this_group_only", "no_groups"] = "all_groups"
    adapter_keys_shown: tuple[str, ...] = ("model_deployment", "model")


class Schema(BaseModel, frozen=True):
    """A whole schema; `models` gives the names and the order of the rows."""

    metrics: tuple[Named, ...] = ()
    perturbations: tuple[Named, ...] = ()
    metric_groups: tuple[MetricGroup, ...] = ()
    run_groups: tuple[RunGroup, ...] = ()
    models: tuple[Named, ...] = ()
    open: bool = False  # whether groups of runs that it does not name get tables of their own

    def run_group(self, name: str) -> RunGroup | None:
        return next((group for group in self.run_groups if group.name == name), None)


def read_schema(path: Path) -> Schema:
    """The schema in a YAML or JSON file. Raises ValueError naming the file and the field."""
    import yaml

    try:
        text = path.read_text("utf-8")
        value = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        schema = Schema.model_validate(value)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: the schema cannot be read ({error})") from error
    except (yaml.YAMLError, json.JSONDecodeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: the schema is no YAML or JSON ({reason})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its top"
        raise ValueError(f"{path}: the schema is wrong at {where}: {first['msg']}") from error
    _check_names(schema, path)
    return schema


def completed(
    schema: Schema, groups: Iterable[str], metrics: Mapping[str, Sequence[str]]
) -> Schema:
    """`schema` with a run group for every group of runs that it does not know.

    groups: those that runs belong to. metrics: names of the stats found in each group's runs; the
    first that the schema knows, else the first at all, is the group's main metric.
    """
    known = {metric.name for metric in schema.metrics}
    added, named = [], []
    for group in sorted(set(groups) - {g.name for g in schema.run_groups}):
        found = metrics.get(group, ())
        main = next((m.name for m in schema.metrics if m.name in found), None) or next(
            iter(found), None
        )
        if main is None:
            continue
        named += [] if main in known else [Named(name=main, lower_is_better=False)]
        known.add(main)
        families = tuple(
            family.name
            for family in schema.metric_groups
            if family.name in FAMILIES or family.name == "general_information"
        )
        environment = {"main_name": main, "main_split": "test"}
        added.append(RunGroup(name=group, metric_groups=families, environment=environment))
    if not added:
        return schema
    everything = RunGroup(
        name="other_scenarios",
        display_name="Scenarios that the schema does not name",
        subgroups=tuple(group.name for group in added),
    )
    return schema.model_copy(
        update={
            "metrics": (*schema.metrics, *named),
            "run_groups": (*schema.run_groups, everything, *added),
        }
    )


def _filled(text: str, environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        text = text.replace("${" + name + "}", value)
    return text


def _check_names(schema: Schema, path: Path) -> None:
    """Groups that name what the schema has not would make tables vanish without a word."""
    metric_groups = {group.name for group in schema.metric_groups}
    run_groups = {group.name for group in schema.run_groups}
    for group in schema.run_groups:
        for kind, wanted, known in (
            ("metric group", group.metric_groups, metric_groups),
            ("subgroup", group.subgroups, run_groups),
        ):
            missing = [name for name in wanted if name not in known]
            if missing:
                raise ValueError(f"{path}: run group {group.name} names no {kind} {missing[0]!r}")


FAMILIES = (
    "accuracy", "calibration", "robustness", "fairness", "bias", "toxicity", "efficiency",
)  # fmt: skip
